"""How a command ends that the user has to help: one line a reason, exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mic.errors import USAGE_EXIT_CODE, UserError


@contextmanager
def reported_errors() -> Iterator[None]:
    """Shows a `UserError` as one line a reason and ends with exit code 2; lets everything else through."""
    try:
        yield
    except UserError as error:
        # Whoever reads the errors may have seen enough of them: that they are there is told by the exit code, too.
        with suppress(BrokenPipeError):
            for line in str(error).splitlines():
                print(f"mic: {line}", file=sys.stderr)
        sys.exit(USAGE_EXIT_CODE)
