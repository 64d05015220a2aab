"""The cells of one run: written by `verify.run`, read by every worker. Holds no secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from verify.access.way import AccessChoice
from verify.boot_budget import BootBudget
from verify.expectations.expectation import Place
from verify.expectations.extras import Extra
from verify.host import THIS_HOST, Host
from verify.machine.firmware import Firmware
from verify.machine.patterns import PatternRules
from verify.machine.spec import Attachment, MachineSpec
from verify.verdict import HarnessFault

PLAN_NAME = "plan.json"
MEDIUM_CELL_ID = "medium"
# QEMU's own memory beside the guest's: its code, the video memory, OVMF's variables and firmware.
_OVERHEAD_MIB = 256


@dataclass(frozen=True)
class MachineCell:
    """Medium x firmware x attachment x memory: one machine, booted once.

    `boot` tells apart the boots of one medium in one machine, where a run makes several (`verify.soak`).
    """

    firmware: Firmware
    attachment: Attachment = Attachment.CDROM
    memory_mib: int = 1536
    cpus: int = 1
    other_disks: tuple[Path, ...] = ()
    boot: int | None = None

    @property
    def id(self) -> str:
        """Names the cell in reports and in ``-k``; unique within a plan."""
        disks = f"-{len(self.other_disks)}disk" if self.other_disks else ""
        boot = "" if self.boot is None else f"-boot{self.boot:03d}"
        return f"{self.firmware.value}-{self.attachment.value}-{self.memory_mib}mib-{self.cpus}cpu{disks}{boot}"

    @property
    def host_memory_mib(self) -> int:
        """What the host needs for it, in MiB."""
        return self.memory_mib + _OVERHEAD_MIB

    def spec(self, medium: Path) -> MachineSpec:
        """The machine of this cell, with `medium` attached."""
        return MachineSpec(medium, self.firmware, self.attachment, self.memory_mib, self.cpus, self.other_disks)


@dataclass(frozen=True)
class Plan:
    """What one run verifies. Every worker reads the configuration again by itself: secrets stay out of here.

    `only` names the cells that this run makes (all if empty), `number` which try of theirs it is, from 1.
    `boot_anyway`: also boot under a firmware for which the audit says that the medium cannot boot.
    """

    medium: Path
    config_file: Path
    report_dir: Path
    cells: tuple[MachineCell, ...]
    extras: tuple[Extra, ...] = ()
    boot_budget: BootBudget | None = None
    allow_patterns: tuple[str, ...] = ()
    require_patterns: tuple[str, ...] = ()
    keep: bool = False
    only: tuple[str, ...] = ()
    number: int = 1
    access: AccessChoice = AccessChoice.AUTO
    boot_anyway: bool = False

    @property
    def cell_ids(self) -> tuple[str, ...]:
        """The cells that this run makes, the medium's own first."""
        every = (MEDIUM_CELL_ID, *(cell.id for cell in self.cells))
        return tuple(id for id in every if not self.only or id in self.only)

    @property
    def machines(self) -> tuple[MachineCell, ...]:
        """The machines that this run boots."""
        return tuple(cell for cell in self.cells if cell.id in self.cell_ids)

    @property
    def patterns(self) -> PatternRules:
        """What the console may show, and what it must."""
        return PatternRules(self.allow_patterns, self.require_patterns)

    @property
    def firmwares(self) -> tuple[Firmware, ...]:
        return tuple(dict.fromkeys(cell.firmware for cell in self.cells))

    @property
    def events_file(self) -> Path:
        """Where the workers tell what happens (`verify.engine.events`)."""
        return self.report_dir / f"events{self.try_suffix}.jsonl"

    @property
    def try_suffix(self) -> str:
        """What tells the files of a second try and later ones from the first's."""
        return "" if self.number == 1 else f"-try-{self.number}"

    @property
    def audit_file(self) -> Path:
        """The audit of the medium, made before anything is booted (`verify.audit`)."""
        return self.report_dir / "audit.json"

    def evidence_of(self, cell_id: str) -> Path:
        """The directory of a cell's logs and screenshots."""
        directory = self.report_dir / "cells" / cell_id
        return directory if self.number == 1 else directory / f"try-{self.number}"

    def write(self) -> Path:
        """Writes the plan into the report directory and returns its path."""
        path = self.report_dir / PLAN_NAME
        path.write_bytes(_PLAN.dump_json(self, indent=2) + b"\n")
        return path

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Raises `HarnessFault` when the file is no plan."""
        try:
            return _PLAN.validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise HarnessFault(f"{path} is no plan: {error}") from error


_PLAN = TypeAdapter(Plan)


def place_of(cell_id: str) -> Place:
    """Where the checks of a cell look."""
    return Place.MEDIUM if cell_id == MEDIUM_CELL_ID else Place.MACHINE


def machines_side_by_side(cells: Sequence[MachineCell], host: Host = THIS_HOST) -> int:
    """How many of `cells` `host` runs well at once, at least 1: cores and free memory decide.

    Without hardware virtualisation two machines with one processor each share two cores better than one
    machine with two (measured), so a machine counts as many cores as it has processors.
    """
    if not cells:
        return 1
    cores = host.cores() // max(cell.cpus for cell in cells)
    memory = host.available_memory_mib() // max(cell.host_memory_mib for cell in cells)
    return max(1, min(len(cells), cores, memory))
