"""What QEMU counts of a machine's disks: how much has been read and written since its launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from verify.machine.command_line import MEDIUM, other_disk
from verify.machine.qmp import QmpError
from verify.machine.spec import MachineSpec


@dataclass(frozen=True)
class DiskWrites:
    """What the guest has written to a disk: nothing, on a live medium that keeps its promise.

    `discards` counts the requests to forget what blocks hold (TRIM, UNMAP): they destroy without a write.
    """

    disk: Path
    operations: int
    bytes: int
    discards: int = 0


@dataclass(frozen=True)
class DiskReads:
    """How many bytes the machine, its firmware included, has read of a disk."""

    disk: Path
    bytes: int


def writes_counted(spec: MachineSpec, statistics: object) -> tuple[DiskWrites, ...]:
    """The writes to the medium and to each other disk of `spec`, in their order; a CD is left out.

    `statistics` is QEMU's answer to query-blockstats (qapi/block-core.json). Raises `QmpError` when it is none.
    """
    by_name = _by_name(statistics)
    return tuple(
        DiskWrites(path, stats["wr_operations"], stats["wr_bytes"], stats["unmap_operations"])
        for name, path in _disks(spec).items()
        for stats in (by_name[name],)
        if name != MEDIUM or not spec.attachment.is_optical
    )


def reads_counted(spec: MachineSpec, statistics: object) -> tuple[DiskReads, ...]:
    """The reads of the medium, which comes first, and of each other disk of `spec`.

    `statistics` is QEMU's answer to query-blockstats (qapi/block-core.json). Raises `QmpError` when it is none.
    """
    by_name = _by_name(statistics)
    return tuple(DiskReads(path, by_name[name]["rd_bytes"]) for name, path in _disks(spec).items())


def _disks(spec: MachineSpec) -> dict[str, Path]:
    others = {other_disk(number): path for number, path in enumerate(spec.other_disks)}
    return {MEDIUM: spec.medium, **others}


def _by_name(statistics: object) -> Mapping[str, Mapping[str, int]]:
    if not isinstance(statistics, list):
        raise QmpError("query-blockstats answered something else")
    return {entry["device"]: entry["stats"] for entry in statistics}
