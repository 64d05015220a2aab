"""The plan of a matrix: its cells, numbered from 0, and the digests of what they are about."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mic.config import load_config
from mic.config.suggestion import near
from mic.errors import UserError
from verify.plan import MEDIUM_CELL_ID, MachineCell, Plan


@dataclass(frozen=True)
class Pinned:
    """A file and its SHA-256, so that a cell never runs against another one."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Pinned:
        with path.open("rb") as file:
            return cls(path, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True)
class PlannedMedium:
    """One medium as one scenario wants it verified: `plan` without a report directory, and all files it reads."""

    name: str
    plan: Plan
    pinned: tuple[Pinned, ...]

    @property
    def medium_sha256(self) -> str:
        return next(one.sha256 for one in self.pinned if one.path == self.plan.medium)

    def require_unchanged(self) -> None:
        """Raises `UserError` when a file is not the one that was planned for."""
        for one in self.pinned:
            if not one.path.is_file():
                raise UserError("the plan's file is not here", where=one.path)
            if Pinned.of(one.path).sha256 != one.sha256:
                raise UserError("this is not the file that the plan was made for", where=one.path, hint="plan again")


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix; `machine` is None for the medium as it lies there."""

    index: int
    medium: PlannedMedium
    machine: MachineCell | None

    @property
    def own_id(self) -> str:
        """Its id within its medium."""
        return MEDIUM_CELL_ID if self.machine is None else self.machine.id

    @property
    def id(self) -> str:
        return f"{self.medium.name}.{self.own_id}"

    def plan(self, report_dir: Path) -> Plan:
        """What the engine runs for this cell alone."""
        return replace(self.medium.plan, report_dir=report_dir.absolute(), only=(self.own_id,))


@dataclass(frozen=True)
class MatrixPlan:
    """All media. In the program every path is absolute; in the file it is relative to the file where that helps."""

    media: tuple[PlannedMedium, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell, each medium's own before its machines'."""
        pairs = [(medium, machine) for medium in self.media for machine in (None, *medium.plan.cells)]
        return tuple(Cell(index, medium, machine) for index, (medium, machine) in enumerate(pairs))

    def cell(self, name: str) -> Cell:
        """The cell with this number or id. Raises `UserError` when there is none."""
        cells = self.cells
        if name.isdecimal() and int(name) < len(cells):
            return cells[int(name)]
        for cell in cells:
            if cell.id == name:
                return cell
        meant = near(name, [cell.id for cell in cells])
        hint = f"did you mean {meant}?" if meant else f"it has 0 to {len(cells) - 1}"
        raise UserError(f"the plan has no cell {name}", hint=hint)

    def to_json(self, directory: Path) -> bytes:
        """The content of a plan file in `directory`."""
        base = directory.resolve()

        def relative(path: Path) -> Path:
            # What has but the root in common is nowhere near, and stays where it is.
            common = os.path.commonpath([base, path])
            return path if common == "/" else Path(os.path.relpath(path, base))

        return _PLAN.dump_json(_with_paths(self, relative), indent=2) + b"\n"


_PLAN = TypeAdapter(MatrixPlan)


def read_matrix_plan(path: Path) -> MatrixPlan:
    """Raises `UserError` when `path` is no plan of a matrix."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"the plan cannot be read: {error.strerror}", where=path) from error
    try:
        plan = _PLAN.validate_json(content)
    except ValidationError as error:
        raise UserError("this is no plan", where=path, hint="mic verify plan writes one") from error
    base = path.absolute().parent
    return _with_paths(plan, lambda one: (base / one).resolve())


def plan_digest(path: Path) -> str:
    """The SHA-256 of a plan file: results belong to exactly one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _with_paths(plan: MatrixPlan, change: Callable[[Path], Path]) -> MatrixPlan:
    def of_medium(medium: PlannedMedium) -> PlannedMedium:
        cells = tuple(replace(cell, other_disks=tuple(map(change, cell.other_disks))) for cell in medium.plan.cells)
        inner = medium.plan
        inner = replace(inner, medium=change(inner.medium), config_file=change(inner.config_file), cells=cells)
        pinned = tuple(replace(one, path=change(one.path)) for one in medium.pinned)
        return replace(medium, plan=inner, pinned=pinned)

    return MatrixPlan(tuple(map(of_medium, plan.media)))


def planned(name: str, plan: Plan) -> PlannedMedium:
    """A medium with everything pinned that its cells read. Raises `UserError` for a configuration with mistakes."""
    plan = replace(plan, medium=plan.medium.resolve(), config_file=plan.config_file.resolve(), report_dir=Path())
    config = load_config(plan.config_file)
    sources = [file.source for file in (*config.iso.additional_files, *config.system_config.additional_files)]
    disks = [disk for cell in plan.cells for disk in cell.other_disks]
    files = dict.fromkeys([plan.medium, plan.config_file, *(path.resolve() for path in (*sources, *disks))])
    return PlannedMedium(name, plan, tuple(Pinned.of(path) for path in files))
