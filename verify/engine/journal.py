"""The machine's journal, fetched over its serial line before it ends."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verify.checks.guest import GuestShell, NoPrivilege, Privilege
from verify.engine.recorder import Recorder
from verify.masking import Mask
from verify.outcome import NotReached
from verify.verdict import HarnessFault, VerifyError

JOURNAL_NAME = "journal.log"
# The latest is what explains an end. Compressed to a tenth of this, the serial line carries it in seconds.
MOST_BYTES = 2 << 20
_TIMEOUT_SECONDS = 30.0
_NOR_DRACUTS = "; dracut's rdsosreport.txt is out of reach too: it is in the memory of a machine without a shell"
_GZIP_MAGIC = b"\x1f\x8b"
# One pipe for dash and busybox; a guest without gzip sends it as it is.
_COMMAND = (
    "journalctl -b -o short-monotonic --no-pager"
    f" | tail -c {MOST_BYTES} | if command -v gzip >/dev/null; then gzip -c; else cat; fi"
)


@dataclass(frozen=True)
class Journal:
    """The journal, masked, and what a reader has to know of it: what is missing of it, why. Empty: nothing."""

    text: str
    note: str


class Journalled(Protocol):
    """A machine whose journal is wanted, as `verify.engine.session` keeps it."""

    @property
    def recorder(self) -> Recorder: ...
    @property
    def why_no_shell(self) -> str | None: ...
    def shell(self) -> GuestShell: ...
    def privilege(self) -> Privilege: ...


def keep_journal(session: Journalled, evidence: Path, mask: Mask) -> None:
    """Writes the journal of the session's machine into `evidence`, or tells the report why there is none.

    The journal is evidence, not a check: that it cannot be had changes no verdict.
    """
    obstacle = session.why_no_shell
    if obstacle is not None:
        also = _NOR_DRACUTS if obstacle.startswith("the machine did not boot") else ""
        session.recorder.note(f"no journal: {mask(obstacle)}{also}")
        return
    session.recorder.mark("the journal is fetched")
    try:
        journal = read_journal(session.shell(), session.privilege(), mask, _TIMEOUT_SECONDS)
        (evidence / JOURNAL_NAME).write_text(journal.text)
    except (VerifyError, NotReached) as error:
        session.recorder.note(f"no journal: {mask(str(error))}")
        return
    except OSError as error:
        session.recorder.note(f"the journal could not be written: {error.strerror}")
        return
    if journal.note:
        session.recorder.note(journal.note)


def read_journal(shell: GuestShell, privilege: Privilege, mask: Mask, timeout: float) -> Journal:
    """Reads the journal of this boot, as root where there is a way; `timeout` in seconds of fast hardware.

    Raises `HarnessFault` when there is none to read, and what the shell raises.
    """
    notes = []
    if isinstance(privilege, NoPrivilege):
        answer = shell.run(_COMMAND, timeout=timeout)
        notes.append(f"the journal has only what its reader may see, who is not root ({privilege.reason})")
    else:
        answer = privilege.run(shell, _COMMAND, timeout)
    text = _unpacked(answer.stdout).decode(errors="replace")
    if not text.strip():
        complaint = answer.stderr.decode(errors="replace").strip()
        raise HarnessFault(f"journalctl printed nothing; {mask(complaint)}")
    if len(text.encode()) >= MOST_BYTES:
        text = text.partition("\n")[2]
        notes.append(f"of the journal only the last {MOST_BYTES >> 20} MiB are kept")
    return Journal(mask(text), "; ".join(notes))


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise HarnessFault(f"the journal cannot be unpacked: {error}") from error
