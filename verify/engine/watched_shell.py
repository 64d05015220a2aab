"""A shell in the machine whose failures somebody hears of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verify.checks.guest import CommandAnswer
from verify.console.shell import Shell
from verify.verdict import VerifyError


@dataclass(frozen=True)
class WatchedShell:
    """Fulfils `verify.checks.guest.GuestShell`; `on_failure` is told of every command that could not be run."""

    shell: Shell
    on_failure: Callable[[VerifyError], None]

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60) -> CommandAnswer:
        try:
            return self.shell.run(command, stdin=stdin, timeout=timeout)
        except VerifyError as error:
            self.on_failure(error)
            raise
