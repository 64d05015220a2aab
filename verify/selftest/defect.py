"""What a corpus of defects is, as the self-test sees it: descriptions here, the making behind a protocol."""

from __future__ import annotations

import fnmatch
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from mic.errors import UserError
from verify.expectations.expectation import Place
from verify.expectations.extras import Extra
from verify.machine.firmware import Firmware
from verify.machine.spec import Attachment


@dataclass(frozen=True)
class GoodMedium:
    """What defects are made from: a medium of `mic build` that verify passes against `config_file`.

    `image` names the base image's suite; `extras` are commands that each booted medium has to answer.
    """

    name: str
    image: str
    config_file: Path
    extras: tuple[Extra, ...] = ()


@dataclass(frozen=True)
class Cause:
    """The line of the report that names a defect.

    `check` is a pattern of check ids (fnmatch), `reason` a regular expression that the failure's text holds.
    """

    check: str
    reason: str
    place: Place

    def matches(self, check: str, reason: str, place: Place) -> bool:
        """Whether a failed check is this line."""
        found = re.search(self.reason, reason, re.IGNORECASE | re.DOTALL)
        return place is self.place and fnmatch.fnmatchcase(check, self.check) and found is not None


@dataclass(frozen=True)
class BootOn:
    """The machine that shows a defect; `other_disks` are names that the corpus knows how to make."""

    firmware: Firmware = Firmware.BIOS
    attachment: Attachment = Attachment.CDROM
    other_disks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Defect:
    """One way in which a medium is wrong.

    `base` names the good medium. `causes` all have to be in the report: those on the medium always, those in
    the machine when it is booted. `explains`: patterns of further check ids that turn red because of this
    defect. `boot` is None where the audit tells all, and the boot would only cost time. Defects with the same
    `shares` do not touch each other and lie on one medium together.
    """

    name: str
    what: str
    base: str
    causes: tuple[Cause, ...]
    explains: tuple[str, ...] = ()
    boot: BootOn | None = None
    shares: str | None = None

    def __post_init__(self) -> None:
        if not self.causes:
            raise ValueError(f"{self.name}: nothing would name it")
        if self.boot is None and any(cause.place is Place.MACHINE for cause in self.causes):
            raise ValueError(f"{self.name}: only a boot can show it, and none is asked for")

    @property
    def seen_without_booting(self) -> bool:
        """Whether the audit alone has to name it."""
        return any(cause.place is Place.MEDIUM for cause in self.causes)

    def accounts_for(self, check: str) -> bool:
        """Whether this defect makes that check red."""
        patterns = (*(cause.check for cause in self.causes), *self.explains)
        return any(fnmatch.fnmatchcase(check, pattern) for pattern in patterns)


class Corpus(Protocol):
    """Good media, defects, and how both are made."""

    @property
    def good_media(self) -> Sequence[GoodMedium]: ...

    @property
    def defects(self) -> Sequence[Defect]: ...

    def build(self, medium: GoodMedium, iso: Path) -> None:
        """Writes the good medium to `iso`."""
        ...

    def make(self, defects: Sequence[Defect], good: Path, bad: Path) -> None:
        """Writes `good` with these defects to `bad`; with none, a medium rewritten as the bad ones are."""
        ...

    def other_disk(self, name: str, good: Path, directory: Path) -> Path:
        """Makes the disk image of that name in `directory`, for a machine that boots a medium made from `good`."""
        ...


@dataclass(frozen=True)
class BadMedium:
    """Defects that lie on one medium and are verified together; without any, it is a control that has to pass."""

    base: GoodMedium
    defects: tuple[Defect, ...]

    @property
    def name(self) -> str:
        """Names the medium in reports and file names."""
        if not self.defects:
            return f"control-{self.base.name}"
        shares = self.defects[0].shares
        return self.defects[0].name if len(self.defects) == 1 else f"{shares}"

    @property
    def boot(self) -> BootOn | None:
        """The machine, where any of the defects asks for one."""
        return next((defect.boot for defect in self.defects if defect.boot is not None), None)

    @property
    def seen_without_booting(self) -> bool:
        return any(defect.seen_without_booting for defect in self.defects)


def media_of(corpus: Corpus, defects: Sequence[Defect]) -> tuple[BadMedium, ...]:
    """The media that show `defects`, those that share one together; in the corpus's order."""
    bases = {medium.name: medium for medium in corpus.good_media}
    groups: dict[str, list[Defect]] = {}
    for defect in defects:
        groups.setdefault(f"shared {defect.shares}" if defect.shares else defect.name, []).append(defect)
    return tuple(BadMedium(bases[group[0].base], tuple(group)) for group in groups.values())


def load_corpus(name: str) -> Corpus:
    """The corpus at an import path such as ``package.module:NAME``; raises `UserError` where there is none."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"there is no corpus {name}: {error}", hint="name it as package.module:NAME") from error
    return cast(Corpus, found)
