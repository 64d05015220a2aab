"""What went wrong, in words a user can act on.

A `UserError` is a sentence for the person at the keyboard and ends in exit code 2. Everything else
that escapes is a bug and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

USAGE_EXIT_CODE = 2


@dataclass(frozen=True, order=True)
class SourcePosition:
    """A place in a text file; line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class UserError(Exception):
    """One thing the user can mend.

    `message` says what is wrong, `where` in which place (a position in the configuration, a path), `hint`
    what to do about it.
    """

    def __init__(
        self, message: str, *, where: SourcePosition | Path | str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = self.message if self.where is None else f"{self.where}: {self.message}"
        return text if self.hint is None else f"{text} ({self.hint})"


class UserErrors(UserError):
    """Several `UserError`s found in one go, in the order a reader meets them."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
