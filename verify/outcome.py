"""What became of one expectation in one cell, and what was seen on the way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from verify.masking import Mask
from verify.verdict import Verdict

_LONGEST_OUTPUT = 4000


class NotReached(Exception):
    """A check could not be made because an earlier one, which says so itself, has failed."""


@dataclass(frozen=True)
class Observation:
    """One look: the command (or, without a machine, what was read), its exit code, what it showed.

    `output` is masked and cut to a few thousand characters; `at` is in seconds since the epoch.
    """

    command: str
    exit_code: int | None
    output: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """The end of one check. `verdict` is None when it was not reached; `reason` says why it is no pass.

    `seen` is the check's own summary of what it found; `begun` is in seconds since the epoch, `seconds` how
    long it took. `traceback` is kept for a harness fault that nobody foresaw.
    """

    cell: str
    id: str
    requirement: str
    source: str
    verdict: Verdict | None
    seen: str
    reason: str
    observations: tuple[Observation, ...]
    begun: float
    seconds: float
    traceback: str = ""


@dataclass
class Notebook:
    """Takes down what a check looks at, as it looks."""

    mask: Mask
    observations: list[Observation] = field(default_factory=list)

    def note(self, command: str, output: str, *, exit_code: int | None = None, seconds: float = 0.0) -> None:
        """`command` in words or as it was run; `output` may still hold secrets."""
        text = self.mask(output)
        if len(text) > _LONGEST_OUTPUT:
            half = _LONGEST_OUTPUT // 2
            text = f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
        self.observations.append(Observation(self.mask(command), exit_code, text, time.time(), seconds))
