"""Which disk a machine has booted: told by what was read from each, so that it needs no shell."""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePosixPath

from mic.errors import UserError
from verify.machine.disk_counts import DiskReads
from verify.machine.failure import GuestFailed
from verify.medium import open_medium
from verify.verdict import ProductFailure, VerifyError

# Less than any kernel with its initrd, more than a firmware, GRUB's search and udev's probing read of a disk
# (together 1.1 MB, measured under BIOS on a CD).
_LEAST_BYTES = 4 << 20
# A disk that is merely looked at, even mounted, is not read so much more than the rootfs that runs.
_CLEARLY_MORE = 4


def judge_boot_source(medium: DiskReads, others: tuple[DiskReads, ...], to_load: int) -> str:
    """Raises `ProductFailure`, which names the disk, when another than the medium was booted.

    `to_load` is the size in bytes of the kernel and initrd on the medium: a boot from the medium has read
    them whole. Beyond them it has read the rootfs; when instead another disk was read far more than what is
    left for the medium, the rootfs came from there. Without another disk nothing else can have booted.
    """
    shown = _shown(medium, others)
    if not others:
        return f"read: {shown}"
    if (instead := booted_instead(medium, others, to_load)) is not None:
        raise ProductFailure(instead)
    most = max(others, key=lambda disk: disk.bytes)
    if most.bytes > _CLEARLY_MORE * max(medium.bytes - to_load, _LEAST_BYTES):
        raise ProductFailure(f"the medium's kernel was booted with the root file system of {most.disk}; read: {shown}")
    return f"read: {shown}"


def booted_instead(medium: DiskReads, others: tuple[DiskReads, ...], to_load: int) -> str | None:
    """In words, that another disk was booted and not the medium; None where the reads do not show it.

    `to_load` is as for `judge_boot_source`. Holds however the boot has ended: what firmware, GRUB's search and the
    probing of kernels read of a disk that they do not boot is far less than any kernel.
    """
    most = max(others, key=lambda disk: disk.bytes, default=None)
    if most is None or medium.bytes >= max(to_load, _LEAST_BYTES) or most.bytes <= max(medium.bytes, _LEAST_BYTES):
        return None
    return (
        f"not the medium was booted but {most.disk}: of the medium less was read than its kernel and initrd"
        f" have ({_mib(to_load)}); read: {_shown(medium, others)}"
    )


def blame_failed_boot(
    failure: GuestFailed, medium: DiskReads, others: tuple[DiskReads, ...], to_load: int
) -> ProductFailure:
    """The error to raise for a boot that ended in `failure`: itself, or one that names the disk booted instead.

    The latter is no `GuestFailed`: how another system ends says nothing of the medium, not even that it shows what a
    scenario requires it to show.
    """
    instead = booted_instead(medium, others, to_load)
    return failure if instead is None else ProductFailure(f"{instead}; that boot failed: {failure}")


def _shown(medium: DiskReads, others: tuple[DiskReads, ...]) -> str:
    return ", ".join(f"{disk.disk.name} {_mib(disk.bytes)}" for disk in (medium, *others))


def bytes_to_load(medium: Path) -> int:
    """The size of the kernel and initrd that the medium's grub.cfg names, in bytes; 0 where none is found."""
    total = 0
    # What is wrong with the medium is told by the checks that look at it.
    with contextlib.suppress(VerifyError, UserError), open_medium(medium) as opened:
        _, cfg = opened.grub_cfg()
        for name in (*cfg.linux[:1], *cfg.initrds):
            file = opened.find(PurePosixPath(name))
            total += 0 if file is None else file.size
    return total


def _mib(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"
