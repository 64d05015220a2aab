"""What a scenario expects beyond its configuration: a command in the machine, and what it must print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from verify.expectations.expectation import Expectation, Place, Subject, named


@dataclass(frozen=True)
class CommandShows(Subject):
    """A command's exit code and, where they are given, its whole output or a part of it.

    Output is compared without white space at its ends.
    """

    command: str
    exit_code: int = 0
    prints: str | None = None
    contains: str | None = None
    as_root: bool = False


@dataclass(frozen=True)
class Extra:
    """One such expectation: `name` identifies it, `requirement` says it in words."""

    name: str
    requirement: str
    shows: CommandShows


def expected_extras(extras: Iterable[Extra]) -> Iterator[Expectation]:
    """All of them are looked at in the machine."""
    for extra in extras:
        yield Expectation(named("scenario", extra.name), extra.requirement, "the scenario", Place.MACHINE, extra.shows)
