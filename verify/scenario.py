"""Scenarios: medium x machine x expectations, each in a YAML file of its own.

A scenario's keys are those of `Scenario`; relative paths are relative to its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from mic.config.fields import (
    Flag,
    Line,
    ListOf,
    NonEmptyText,
    Text,
    Word,
    choice,
    matching,
    one_or_more,
    positive_seconds,
    whole_number,
)
from mic.config.schema import schema_of
from mic.config.section import Section, given_twice
from mic.config.source import read_source
from mic.config.tree import Sequence as ListValue
from mic.config.validation import validate
from mic.config.yaml_reader import read_document
from mic.errors import SourcePosition, UserError, UserErrors
from verify.access.way import AccessChoice
from verify.boot_budget import BootBudget, PhaseLimit
from verify.expectations.extras import CommandShows, Extra
from verify.machine.firmware import Firmware
from verify.machine.patterns import PatternRules
from verify.machine.spec import Attachment
from verify.pairs import all_pairs
from verify.plan import MachineCell, Plan

_LARGEST_MEMORY_MIB = 1 << 20
_MOST_PROCESSORS = 255


class Combination(Enum):
    """Which combinations of a scenario's lists become cells."""

    PRODUCT = "product"
    PAIRS = "pairs"


class ExpectedCommand(Section):
    """A command in the machine, and what it must print; see `verify.expectations.extras.CommandShows`."""

    required = ("name", "requirement", "command")

    name: Annotated[
        Line, matching(r"[a-z0-9][a-z0-9-]*", "must be small letters, digits and dashes, as motd-is-ours")
    ] = Field("", description="The check's id in reports and for -k, after extra.")
    requirement: Line = Field("", description="What must be true, in a sentence.")
    command: NonEmptyText = Field("", description="Run by a shell in the booted machine.")
    exit_code: Annotated[int, whole_number(0, 255)] = Field(0, description="The exit code that it must have.")
    prints: Text | None = Field(None, description="All that it must print, but for the last line break.")
    contains: Text | None = Field(None, description="A text that must be in what it prints.")
    as_root: Flag = Field(False, description="Whether it is run by root.")

    def extra(self) -> Extra:
        shows = CommandShows(self.command, self.exit_code, self.prints, self.contains, self.as_root)
        return Extra(self.name, self.requirement, shows)


_Seconds = Annotated[float, positive_seconds()]


class BootSeconds(Section):
    """Within how many seconds of its start a machine with KVM is to reach each phase; `login` is the whole boot.

    A slower machine gets as much more as its waits get. Over a `hard` budget the medium has failed; over any
    other the report warns.
    """

    boot_loader: _Seconds | None = None
    kernel: _Seconds | None = None
    initrd: _Seconds | None = None
    switch_root: _Seconds | None = None
    userspace: _Seconds | None = None
    login: _Seconds | None = None
    hard: Flag = Field(False, description="Whether a boot that takes longer makes the medium fail.")

    def budget(self) -> BootBudget:
        named = self.model_dump(exclude={"hard"}, exclude_none=True)
        limits = tuple(PhaseLimit(name.replace("_", "-"), seconds) for name, seconds in named.items())
        return BootBudget(limits, self.hard)


class GivenMedium(Section):
    """An ISO that is there already."""

    required = ("iso", "config")

    iso: Word = Field("", description="The live ISO.")
    config: Word = Field("", description="The configuration that it was made with.")


_AttachmentName = Annotated[Attachment, choice(of=Attachment)]
_FirmwareName = Annotated[Firmware, choice(of=Firmware)]
_Memory = Annotated[int, whole_number(64, _LARGEST_MEMORY_MIB, "MiB")]
_Words = Annotated[tuple[Word, ...], BeforeValidator(one_or_more, json_schema_input_type=str | list[str])]


class Scenario(Section):
    """One scenario; every list spans the matrix of its cells, all combinations or all pairs.

    The media are either named (`media`) or follow from every `image` with every `config`: those are built, and
    found by `MediumSource.name`. `other_disks` are attached as further disks, to be left alone. `allow_patterns`
    and `require_patterns` name bad patterns of the console (`verify.machine.patterns`).
    """

    required = ("description",)

    description: Line = Field("", description="What this proves, in one line.")
    image: _Words = Field((), description="The disk images that the media are made from: names or paths.")
    config: _Words = Field((), description="The configurations that the media are made with.")
    media: ListOf[GivenMedium] = Field((), description="Media that are there already, instead of image and config.")
    firmwares: Annotated[
        tuple[_FirmwareName, ...], BeforeValidator(one_or_more, json_schema_input_type=Firmware | list[Firmware])
    ] = Field(tuple(Firmware), description="What the machines start with; both if absent.")
    attachments: Annotated[
        tuple[_AttachmentName, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Attachment | list[Attachment]),
    ] = Field((Attachment.CDROM,), description="How the medium is connected; as a CD if absent.")
    memory_mib: Annotated[tuple[_Memory, ...], BeforeValidator(one_or_more, json_schema_input_type=int | list[int])] = (
        Field((1536,), description="The machines' memory in MiB; 1536 if absent.")
    )
    cpus: Annotated[int, whole_number(1, _MOST_PROCESSORS)] = Field(1, description="Processors of each machine.")
    other_disks: _Words = Field((), description="Images attached as further disks, never booted nor written to.")
    deb_sources: _Words = Field(
        (), description="Where .deb packages come from when the media are made: names or paths, as for --deb-source."
    )
    base_image_repositories: Flag = Field(
        True, description="Whether the image's own repositories are asked for packages, too."
    )
    combine: Annotated[Combination, choice(of=Combination)] = Field(
        Combination.PRODUCT, description="product: every combination; pairs: every two values meet at least once."
    )
    expect: ListOf[ExpectedCommand] = Field((), description="Commands in the booted machine.")
    boot_seconds: BootSeconds | None = Field(None, description="How long a boot may take until each phase.")
    allow_patterns: ListOf[Line] = Field((), description="Bad patterns that the console may show, by name.")
    require_patterns: ListOf[Line] = Field((), description="Bad patterns that the console must show, by name.")
    access: Annotated[AccessChoice, choice(of=AccessChoice)] = Field(
        AccessChoice.AUTO, description="How the harness gets its shell; what serves if absent."
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        yield from self._problems_of_media()
        yield from given_twice(self.expect, "name", lambda expected: expected.name)
        for key in ("image", "config", "firmwares", "attachments", "memory_mib"):
            yield from self._values_given_twice(key)
        for key, rules in (
            ("allow_patterns", PatternRules(allow=self.allow_patterns)),
            ("require_patterns", PatternRules(self.allow_patterns, self.require_patterns)),
        ):
            try:
                rules.check()
            except UserError as error:
                yield self.problem(error.message, at=key, hint=error.hint)
                break
        for path in self.configs:
            if not path.is_file():
                yield self.problem(f"there is no file {path}", at="config")
        for medium in self.media:
            for key, name in (("iso", medium.iso), ("config", medium.config)):
                if name and not self.resolved(name).is_file():
                    yield medium.problem(f"there is no file {self.resolved(name)}", at=key)

    def _problems_of_media(self) -> Iterator[UserError]:
        if self.is_written("media"):
            for key in ("image", "config"):
                if self.is_written(key):
                    yield self.problem("media and its own config stand instead of it", at=key, hint="leave one out")
            if self.count_of("media") == 0:
                yield self.problem("is an empty list", at="media")
            return
        for key in ("image", "config"):
            if not self.is_written(key):
                yield self.problem("is required, but missing", at=key, hint="or media, for ISOs that are there")

    def _values_given_twice(self, key: str) -> Iterator[UserError]:
        if len(set(getattr(self, key))) < len(getattr(self, key)) and self.is_whole(key):
            value = self.value(key)
            items = value.items if isinstance(value, ListValue) else []
            seen: set[object] = set()
            for item, read in zip(items, getattr(self, key), strict=True):
                if read in seen:
                    yield UserError(f"{item.path}: is given twice", where=item.position)
                seen.add(read)

    @property
    def file(self) -> Path:
        """Where the scenario was read from."""
        return self.position.file

    @property
    def configs(self) -> tuple[Path, ...]:
        """The configuration files of `config`, absolute."""
        return tuple(self.resolved(name) for name in self.config)

    def resolved(self, name: str) -> Path:
        """A path of the scenario, absolute."""
        return (self.file.absolute().parent / name).resolve()

    def build_options(self, deb_sources: Sequence[str | Path]) -> tuple[str, ...]:
        """What `mic build` is to be told beside image and configuration; the sources are what the names stand for."""
        sources = (option for source in deb_sources for option in ("--deb-source", str(source)))
        return (*sources, *(() if self.base_image_repositories else ("--disable-base-image-rpm-repos",)))

    def cells_by_medium(self, other_disks: Sequence[Path] = ()) -> dict[MediumSource, tuple[MachineCell, ...]]:
        """Every medium with the machines it is tried in; `other_disks` are what the scenario's names stand for.

        Raises `ValueError` when these are not as many.
        """
        if len(other_disks) != len(self.other_disks):
            raise ValueError(f"the scenario names {len(self.other_disks)} other disks")
        machines = (self.firmwares, self.attachments, self.memory_mib)
        found: dict[MediumSource, list[MachineCell]] = {}
        for medium, firmware, attachment, memory_mib in self._combined(machines):
            cell = MachineCell(firmware, attachment, memory_mib, self.cpus, tuple(other_disks))
            found.setdefault(medium, []).append(cell)
        return {medium: tuple(cells) for medium, cells in found.items()}

    def _combined(self, machines: tuple[Sequence[Any], ...]) -> Iterator[tuple[MediumSource, Any, Any, Any]]:
        combined = all_pairs if self.combine is Combination.PAIRS else _product
        if self.media:
            given = [MediumSource.given(self.resolved(one.iso), self.resolved(one.config)) for one in self.media]
            yield from combined([given, *machines])
            return
        for image, config, *machine in combined([self.image, self.configs, *machines]):
            yield MediumSource.of(image, config), machine[0], machine[1], machine[2]


def _product(dimensions: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    return list(product(*dimensions))


@dataclass(frozen=True)
class MediumSource:
    """Where a medium comes from: `iso` where it is there already, else `image` (as the scenario names it), made
    with `config` into a file that is called `name`.iso."""

    name: str
    config: Path
    image: str | None = None
    iso: Path | None = None

    @classmethod
    def given(cls, iso: Path, config: Path) -> MediumSource:
        return cls(_plain(iso.stem), config, iso=iso)

    @classmethod
    def of(cls, image: str, config: Path) -> MediumSource:
        # A configuration has its files beside it, so the directory names it when its own name says nothing.
        about = config.parent.name if config.stem == "config" else config.stem
        return cls(_plain(f"{about}-{Path(image).stem}"), config, image=image)


def _plain(name: str) -> str:
    """A name for files and for ids, of characters that mean nothing to a shell."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "medium"


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario. Raises `UserErrors` with every mistake at its place, `UserError` where it is no YAML."""
    document = read_document(read_source(path))
    validated = validate(document.root, TypeAdapter(Scenario))
    errors = [*document.errors, *validated.errors]
    if errors or validated.model is None:
        raise UserErrors(sorted(errors, key=_place))
    return validated.model


def _place(error: UserError) -> tuple[int, int]:
    where = error.where
    return (where.line, where.column) if isinstance(where, SourcePosition) else (0, 0)


def scenario_schema() -> str:
    """The JSON Schema (draft 2020-12) of a scenario, for editors and for validation elsewhere."""
    return schema_of(Scenario)


def plan_of(
    scenario: Scenario,
    medium: Path,
    report_dir: Path,
    other_disks: Sequence[Path] = (),
    source: MediumSource | None = None,
) -> Plan:
    """The cells of one medium of a scenario, for the ISO that it is; `source` says which, if there are several.

    `other_disks` are the images that the scenario's names stand for, in their order.
    """
    cells = scenario.cells_by_medium(other_disks)
    if source is None:
        (source,) = cells
    extras = tuple(expected.extra() for expected in scenario.expect)
    budget = None if scenario.boot_seconds is None else scenario.boot_seconds.budget()
    return Plan(
        medium.absolute(),
        source.config,
        report_dir.absolute(),
        cells[source],
        extras,
        budget,
        allow_patterns=scenario.allow_patterns,
        require_patterns=scenario.require_patterns,
        access=scenario.access,
    )
