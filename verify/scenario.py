"""Scenarios: image x configuration x machine x expectations, each in a YAML file of its own.

A scenario's keys are those of `Scenario`; relative paths are relative to its file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mic.errors import UserError, UserErrors
from verify.boot_budget import BootBudget, PhaseLimit
from verify.expectations.extras import CommandShows, Extra
from verify.machine.firmware import Firmware
from verify.machine.patterns import PatternRules
from verify.machine.spec import Attachment
from verify.plan import MachineCell, Plan


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedCommand(_Section):
    """A command in the machine, and what it must print; see `verify.expectations.extras.CommandShows`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    requirement: str
    command: str
    exit_code: int = 0
    prints: str | None = None
    contains: str | None = None
    as_root: bool = False

    def extra(self) -> Extra:
        shows = CommandShows(self.command, self.exit_code, self.prints, self.contains, self.as_root)
        return Extra(self.name, self.requirement, shows)


_Seconds = Annotated[float, Field(gt=0)]


class BootSeconds(_Section):
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
    hard: bool = False

    def budget(self) -> BootBudget:
        named = self.model_dump(exclude={"hard"}, exclude_none=True)
        limits = tuple(PhaseLimit(name.replace("_", "-"), seconds) for name, seconds in named.items())
        return BootBudget(limits, self.hard)


class Scenario(_Section):
    """One scenario; every list spans the matrix of its cells.

    `image` names the base image's suite; `other_disks` name suites whose base image is attached as a further
    disk, to be left alone. `allow_patterns` and `require_patterns` name bad patterns of the console
    (`verify.machine.patterns`) that may and that must show.
    """

    description: str
    image: str
    config: Path
    firmwares: Annotated[tuple[Firmware, ...], Field(min_length=1)] = tuple(Firmware)
    attachments: Annotated[tuple[Attachment, ...], Field(min_length=1)] = (Attachment.CDROM,)
    memory_mib: Annotated[tuple[int, ...], Field(min_length=1)] = (1536,)
    cpus: Annotated[int, Field(ge=1)] = 1
    other_disks: tuple[str, ...] = ()
    expect: tuple[ExpectedCommand, ...] = ()
    boot_seconds: BootSeconds | None = None
    allow_patterns: tuple[str, ...] = ()
    require_patterns: tuple[str, ...] = ()


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario; its `config` comes back absolute. Raises `UserError`, or `UserErrors` for several."""
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"the scenario cannot be read: {error.strerror}", where=path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"this is no YAML: {error}", where=path) from error
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        raise UserErrors(
            [
                UserError(f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}", where=path)
                for one in error.errors()
            ]
        ) from error
    try:
        PatternRules(scenario.allow_patterns, scenario.require_patterns).check()
    except UserError as error:
        raise UserError(error.message, where=path, hint=error.hint) from error
    config = (path.parent / scenario.config).absolute()
    if not config.is_file():
        raise UserError(f"config: there is no file {config}", where=path)
    return scenario.model_copy(update={"config": config})


def plan_of(scenario: Scenario, medium: Path, report_dir: Path, other_disks: tuple[Path, ...] = ()) -> Plan:
    """The cells of a scenario for the ISO built from it: the full product of its lists.

    `other_disks` are the images that the scenario's names stand for, in their order.
    """
    if len(other_disks) != len(scenario.other_disks):
        raise ValueError(f"the scenario names {len(scenario.other_disks)} other disks")
    cells = tuple(
        MachineCell(firmware, attachment, memory_mib, scenario.cpus, other_disks)
        for firmware in scenario.firmwares
        for attachment in scenario.attachments
        for memory_mib in scenario.memory_mib
    )
    extras = tuple(expected.extra() for expected in scenario.expect)
    budget = None if scenario.boot_seconds is None else scenario.boot_seconds.budget()
    patterns = (scenario.allow_patterns, scenario.require_patterns)
    return Plan(medium.absolute(), scenario.config, report_dir.absolute(), cells, extras, budget, *patterns)
