"""The booted machine, as checks see it: commands in a shell, logins on the console, the serial log."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from verify.checks.registry import CheckRegistry
from verify.console.login import LoginResult
from verify.machine.disk_counts import DiskWrites
from verify.outcome import Notebook
from verify.verdict import HarnessFault

COMMAND_TIMEOUT_SECONDS = 120.0


class CommandAnswer(Protocol):
    """What a command left; `seconds` is how long it took."""

    @property
    def exit_code(self) -> int: ...
    @property
    def stdout(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...
    @property
    def seconds(self) -> float: ...


class GuestShell(Protocol):
    """A POSIX shell in the machine. `stdin` may hold secrets: the shell shows it to nobody.

    `timeout` is in seconds of fast hardware; the shell stretches it for a machine that is slower.
    """

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60) -> CommandAnswer: ...


@dataclass(frozen=True)
class Answer:
    """A command's exit code, and its output as text without the last newline."""

    command: str
    exit_code: int
    stdout: str
    stderr: str

    def expect(self, *exit_codes: int) -> Answer:
        """Itself; raises `HarnessFault` for any other exit code: then the command tells nothing."""
        if self.exit_code not in exit_codes:
            raise HarnessFault(f"{self.command}: exit code {self.exit_code}; {self.stderr or self.stdout}")
        return self


class Privilege(Protocol):
    """How a command becomes root's."""

    @property
    def means(self) -> str:
        """In a few words, for the report."""
        ...

    def run(self, shell: GuestShell, command: str, timeout: float) -> CommandAnswer:
        """Runs `command` as root; raises `HarnessFault` where there is no way."""
        ...


@dataclass(frozen=True)
class RootShell:
    """The shell is root's own."""

    means: str = "the session is root's"

    def run(self, shell: GuestShell, command: str, timeout: float) -> CommandAnswer:
        return shell.run(command, timeout=timeout)


@dataclass(frozen=True)
class Sudo:
    """The user may sudo with the password, which goes through stdin and no argument list."""

    password: SecretStr
    means: str = "sudo with the user's password"

    def run(self, shell: GuestShell, command: str, timeout: float) -> CommandAnswer:
        # -k: a cached right would leave the password on the command's own stdin.
        secret = f"{self.password.get_secret_value()}\n".encode()
        return shell.run(f"sudo -k -S -p '' sh -c {shlex.quote(command)}", stdin=secret, timeout=timeout)


@dataclass(frozen=True)
class NoPrivilege:
    """Nobody who may become root can log in."""

    reason: str

    @property
    def means(self) -> str:
        return f"none: {self.reason}"

    def run(self, shell: GuestShell, command: str, timeout: float) -> CommandAnswer:
        raise HarnessFault(f"this check needs root in the machine, and there is no way: {self.reason}")


class Session(Protocol):
    """One machine from its start to its end, as `verify.engine.session` keeps it."""

    def boot(self) -> str:
        """Boots, once; returns what was reached and when. Raises a `VerifyError` when it fails."""
        ...

    def shell(self) -> GuestShell:
        """The harness's own session; raises `NotReached` when boot or login have failed."""
        ...

    def open_shell(self) -> str:
        """Logs in; returns as whom. Raises `ProductFailure` or `HarnessFault` when nobody can."""
        ...

    def privilege(self) -> Privilege: ...

    def try_login(self, user: str, password: SecretStr) -> LoginResult:
        """One attempt on the console, from the login prompt back to the login prompt."""
        ...

    @property
    def added_arguments(self) -> str:
        """What the harness itself has put at the end of the kernel's command line, to get in; "" for nothing."""
        ...

    def serial_text(self) -> str:
        """Everything the machine has written to its serial line so far, without escape sequences."""
        ...

    def disk_writes(self) -> tuple[DiskWrites, ...]:
        """What the machine has written so far to each disk that it can write to."""
        ...

    def line_that_showed(self, pattern: str) -> str | None:
        """The console's first line of that bad pattern; None where it has not been seen.

        Boots first, and takes an end by that very pattern for no failure.
        """
        ...

    def compare_disks(self) -> str:
        """Compares the files behind the writable disks with what they were before the boot.

        Raises `HarnessFault` or `HostFault` when one has changed.
        """
        ...

    def others_with_machine_id(self, machine_id: str) -> tuple[str, ...]:
        """Who else of this run, the medium's rootfs included, has that id, in words."""
        ...

    @property
    def excused_stalls(self) -> int:
        """How often the kernel complained of a stuck processor while the host did not let the machine run."""
        ...

    @property
    def time_scale(self) -> float:
        """How much slower than a machine with hardware virtualisation this one is."""
        ...

    @property
    def emulated(self) -> bool:
        """Whether the processor is emulated, so that a busy host can starve it."""
        ...


class Guest:
    """A machine together with the notebook of the check at work."""

    def __init__(self, session: Session, notebook: Notebook) -> None:
        self.session = session
        self.notebook = notebook

    def run(self, command: str, *, timeout: float = COMMAND_TIMEOUT_SECONDS) -> Answer:
        """Runs a command as the harness's user; `timeout` in seconds on fast hardware."""
        answer = self.session.shell().run(command, timeout=timeout)
        return self._noted(command, answer)

    def run_as_root(self, command: str, *, timeout: float = COMMAND_TIMEOUT_SECONDS) -> Answer:
        """Runs a command as root; raises `HarnessFault` where there is no way to."""
        shell = self.session.shell()
        privilege = self.session.privilege()
        answer = privilege.run(shell, command, timeout)
        noted = self._noted(f"(as root) {command}", answer)
        # sudo's own refusal has the exit code 1 of many programs; its mere warnings come with the program's.
        if noted.exit_code == 1 and noted.stderr.startswith("sudo: ") and "resolve host" not in noted.stderr:
            raise HarnessFault(f"sudo refused: {self.notebook.mask(noted.stderr)}")
        return noted

    def run_as_needed(self, command: str) -> Answer:
        """Runs a command, and runs it again as root when permission was denied."""
        answer = self.run(command)
        if answer.exit_code != 0 and "ermission denied" in answer.stderr:
            return self.run_as_root(command)
        return answer

    def _noted(self, command: str, answer: CommandAnswer) -> Answer:
        stdout = answer.stdout.decode(errors="replace").removesuffix("\n")
        stderr = answer.stderr.decode(errors="replace").removesuffix("\n")
        shown = "\n".join(text for text in (stdout, stderr) if text)
        self.notebook.note(command, shown, exit_code=answer.exit_code, seconds=answer.seconds)
        return Answer(command, answer.exit_code, stdout, stderr)


in_machine: CheckRegistry[Guest] = CheckRegistry()
