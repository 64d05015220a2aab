"""A stand-in for the booted machine that is real: a shell of this host, below files of the test's own.

Every command runs in a mount namespace in which the test's files lie over the host's; what the checks run
is therefore run for real, by the programs that they run in a guest.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from mic.programs import run
from verify.checks.guest import CommandAnswer, Guest, GuestShell, Privilege, RootShell
from verify.console.login import LoginResult
from verify.machine.disk_counts import DiskWrites
from verify.masking import Mask
from verify.outcome import Notebook


@dataclass(frozen=True)
class LocalAnswer:
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float = 0.0


@dataclass
class LocalMachine:
    """Fulfils `verify.checks.guest.Session` as far as a shell goes. `over` lies over directories of the host."""

    directory: Path
    over: dict[str, Path] = field(default_factory=dict)
    serial: str = ""
    time_scale: float = 1.0
    emulated: bool = True
    excused_stalls: int = 0
    shown_patterns: dict[str, str] = field(default_factory=dict)
    same_id: tuple[str, ...] = ()
    added_arguments: str = ""

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        """A file of the machine; its directory hides the host's whole directory of that name."""
        top = "/" + Path(path).parts[1]
        if path.startswith(("/run/", "/var/")):
            top = str(Path(*Path(path).parts[:3]))
        root = self.over.setdefault(top, self.directory / top.strip("/").replace("/", "_"))
        file = root / Path(path).relative_to(top)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60) -> CommandAnswer:
        # /run and /var/lib take new directories in this namespace only.
        lines = ["mount -t tmpfs none /run", "mount -t tmpfs none /var/lib"]
        for place, source in self.over.items():
            lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(source))} {place}"]
        script = "\n".join(("set -e", *lines, f"exec sh -c {shlex.quote(command)}"))
        completed = run(
            "unshare", "--map-root-user", "--mount", "--uts", "sh", "-c", script,
            stdin=stdin, check=False, timeout=timeout,
        )  # fmt: skip
        return LocalAnswer(completed.exit_code, completed.stdout, completed.stderr)

    def shell(self) -> GuestShell:
        return self

    def privilege(self) -> Privilege:
        return RootShell()

    def boot(self) -> str:
        return "a namespace of this host"

    def open_shell(self) -> str:
        return "no login"

    def try_login(self, user: str, password: SecretStr) -> LoginResult:
        raise NotImplementedError("a namespace has no console")

    def disk_writes(self) -> tuple[DiskWrites, ...]:
        return ()

    def line_that_showed(self, pattern: str) -> str | None:
        return self.shown_patterns.get(pattern)

    def compare_disks(self) -> str:
        return "a namespace has no disk"

    def others_with_machine_id(self, machine_id: str) -> tuple[str, ...]:
        return self.same_id

    def serial_text(self) -> str:
        return self.serial

    @property
    def guest(self) -> Guest:
        """This machine, with a fresh notebook."""
        return Guest(self, Notebook(Mask()))
