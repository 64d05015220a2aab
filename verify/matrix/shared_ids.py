"""Machines of a matrix that have the same machine-id, though each was booted by a run of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from verify.report.model import CellReport, Report


@dataclass(frozen=True)
class BootId:
    """One boot: the cell's id in the matrix, when its run began and which try in it this was, and whose id it had."""

    cell: str
    begun: float
    number: int
    digest: str


def boot_ids(cell: str, own_id: str, report: Report) -> Iterator[BootId]:
    """Every boot of the cell in a report that tells of its machine-id; `own_id` is the cell's id there."""
    found: list[CellReport] = [one for one in report.cells if one.id == own_id]
    tries = [each for one in found for each in (*one.earlier_tries, one)]
    for number, one in enumerate(tries, start=1):
        if one.machine is not None and one.machine.machine_id_digest:
            yield BootId(cell, report.begun, number, one.machine.machine_id_digest)


def shared(boots: Iterable[BootId]) -> Mapping[str, tuple[str, ...]]:
    """For each cell with a boot whose id another boot has, the cells of those others; it may be itself, booted again.

    A result that was handed in twice is one boot.
    """
    by_digest: dict[str, list[BootId]] = {}
    for boot in dict.fromkeys(boots):
        by_digest.setdefault(boot.digest, []).append(boot)
    others: dict[str, dict[str, None]] = {}
    for same in by_digest.values():
        for boot in same:
            cells = dict.fromkeys(other.cell for other in same if other != boot)
            if cells:
                others.setdefault(boot.cell, {}).update(cells)
    return {cell: tuple(cells) for cell, cells in others.items()}
