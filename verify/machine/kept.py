"""A machine that was left running: how to attach to it, and how to end it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

CONSOLE_SOCKET = "console.sock"
QMP_SOCKET = "qmp.sock"
PID_FILE = "qemu.pid"
TOLD_IN = "kept.txt"


@dataclass(frozen=True)
class KeptMachine:
    """QEMU's process, the directory that its sockets are in, and its run state (qapi/run-state.json)."""

    pid: int
    directory: Path
    state: str

    def __str__(self) -> str:
        # The name of a socket has at most 107 bytes (unix(7)), a report's directory may well have more.
        here = f"cd {shlex.quote(str(self.directory))} &&"
        return (
            f"the machine is still there: process {self.pid}, {self.state}\n"
            f"  its console:  {here} socat -,raw,echo=0,escape=0x1d UNIX-CONNECT:{CONSOLE_SOCKET}   (Ctrl-] leaves)\n"
            f"  or:           {here} nc -U {CONSOLE_SOCKET}\n"
            f'  its monitor:  {here} nc -U {QMP_SOCKET}   (QMP; begin with {{"execute": "qmp_capabilities"}})\n'
            f"  to end it:    kill {self.pid}\n"
            f"  With it go its memory, all that was written to its disks, and the sockets; the report stays."
        )


def running_in(directory: Path) -> int | None:
    """The process of a machine that was left running with its sockets in `directory`; None if none is."""
    try:
        pid = int((directory / PID_FILE).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if PID_FILE.encode() in command.split(b"\0") else None
