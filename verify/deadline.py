"""A point in time after which a wait has failed; handed down whole, never subtracted from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Deadline:
    """`seconds` from now, on the monotonic clock."""

    seconds: float
    _end: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_end", time.monotonic() + self.seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        return self.remaining == 0.0

    def at_most(self, seconds: float) -> Deadline:
        """This deadline, or `seconds` from now where that is sooner."""
        return Deadline(min(seconds, self.remaining))
