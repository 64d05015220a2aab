"""One thing that must be true of a medium, and where its truth is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Place(Enum):
    """Where a requirement is looked at: on the medium as it lies there, or in the machine that it boots."""

    MEDIUM = "medium"
    MACHINE = "machine"


@dataclass(frozen=True)
class Subject:
    """What to look at; each kind of it is a subclass, and has one check per place it can be looked at in.

    Fields that hold secrets are `pydantic.SecretStr`, so that neither `repr` nor a traceback shows them.
    """


@dataclass(frozen=True)
class Expectation:
    """A requirement in words, with the key path or the document that asks for it.

    `id` is stable from run to run, and unique within its place: it names the check in reports and in ``-k``.
    """

    id: str
    requirement: str
    source: str
    place: Place
    subject: Subject

    def __post_init__(self) -> None:
        if "::" in self.id:
            raise ValueError(f"{self.id}: '::' separates the parts of a pytest node id")


def named(*parts: str) -> str:
    """An id of `parts`, joined with dots and without pytest's separator ``::``."""
    return ".".join(part.replace("::", ":_") for part in parts)
