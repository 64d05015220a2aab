"""Exit code 1 says that a medium is wrong, so nothing else may end with it: no bug, no full disk, no closed pipe."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mic.errors import UserError
from verify.verdict import Verdict, VerifyError

INTERRUPTED_EXIT_CODE = 130
# What the host lacks, not we.
_OF_THE_HOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE})


@contextmanager
def ending_in_a_verdict() -> Iterator[None]:
    """Ends the program with 75 and a sentence for whatever the block raises and nobody foresaw.

    Lets `UserError` through, which ends with 2. An interrupt ends with 130, as shells have it.
    """
    try:
        yield
    except UserError:
        raise
    except KeyboardInterrupt:
        print("mic: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED_EXIT_CODE)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Verdict.HOST_FAULT.exit_code)
    except VerifyError as error:
        _end(error.verdict, str(error))
    except (OSError, MemoryError) as error:
        number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno
        if number not in _OF_THE_HOST:
            _end_of_a_bug(error)
        _end(Verdict.HOST_FAULT, str(error) or "out of memory")
    except Exception as error:  # noqa: BLE001
        # A bug of ours must not be taken for a verdict on the medium.
        _end_of_a_bug(error)


def _end(verdict: Verdict, reason: str) -> None:
    print(f"mic: {verdict.value}: {reason}", file=sys.stderr)
    sys.exit(verdict.exit_code)


def _end_of_a_bug(error: Exception) -> None:
    traceback.print_exception(error)
    _end(Verdict.HARNESS_FAULT, f"{type(error).__name__}: {error}")
