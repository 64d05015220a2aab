"""Which check looks at which kind of subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from verify.expectations.expectation import Subject

Witness = TypeVar("Witness")
SomeSubject = TypeVar("SomeSubject", bound=Subject)


class CheckRegistry(Generic[Witness]):
    """The checks of one place; `Witness` is what they look at the place with."""

    def __init__(self) -> None:
        self._checks: dict[type[Subject], Callable[[Any, Witness], str]] = {}

    def of(
        self, kind: type[SomeSubject]
    ) -> Callable[[Callable[[SomeSubject, Witness], str]], Callable[[SomeSubject, Witness], str]]:
        """Registers a function as the check of subjects of this kind; a second one for it is a bug."""

        def register(check: Callable[[SomeSubject, Witness], str]) -> Callable[[SomeSubject, Witness], str]:
            if kind in self._checks:
                raise ValueError(f"{kind.__name__} has a check already")
            self._checks[kind] = check
            return check

        return register

    def __contains__(self, kind: type[Subject]) -> bool:
        return kind in self._checks

    def make(self, subject: Subject, witness: Witness) -> str:
        """Makes the check of `subject`; returns what was seen, raises what the check raises."""
        return self._checks[type(subject)](subject, witness)
