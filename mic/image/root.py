"""Which partition holds the operating system, and a look into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mic.errors import UserError
from mic.image.disk import Disk
from mic.image.partitions import UNREADABLE_SIGNATURES, Partition
from mic.mounts import mounted
from mic.programs import ProgramFailed, find, run
from mic.tree import Tree

# Read without replaying the journal: the device is read-only and stays so.
_READ_ONLY_OPTIONS = {
    "ext4": "noload",
    "ext3": "noload",
    "ext2": "",
    "xfs": "norecovery",
    "btrfs": "rescue=nologreplay",
}
_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")


@contextmanager
def mounted_read_only(disk: Disk, partition: Partition, directory: Path) -> Iterator[Path]:
    """Mounts a partition of the disk read-only by the kernel; raises `UserError` when that fails."""
    directory.mkdir()
    assert partition.file_system is not None
    own = _READ_ONLY_OPTIONS[partition.file_system]
    options = f"ro,loop,offset={partition.start},sizelimit={partition.size}" + (f",{own}" if own else "")
    try:
        if find("modprobe") is not None:
            run("modprobe", "-q", "loop", check=False)
        with mounted("-t", partition.file_system, "-o", options, disk.flat, directory):
            yield directory
    except ProgramFailed as error:
        if error.completed.program != "mount":
            raise
        raise UserError(
            f"{partition} cannot be mounted: {error.completed.complaint}",
            where=disk.image,
            hint="the file system may be damaged or truncated; fsck on a copy of the image tells",
        ) from error


def find_root(disk: Disk, partitions: tuple[Partition, ...], workspace: Path) -> Partition:
    """The partition that holds the operating system: the file system with an os-release in it.

    Raises `UserError` when there is none or more than one.
    """
    candidates = [partition for partition in partitions if partition.is_linux]
    roots = []
    for partition in candidates:
        directory = workspace / f"probe-{partition.number}"
        with mounted_read_only(disk, partition, directory):
            tree = Tree(directory)
            if any(tree.is_file(path) for path in _OS_RELEASE):
                roots.append(partition)
    if len(roots) == 1:
        return roots[0]
    seen = ", ".join(str(partition) for partition in partitions)
    if roots:
        raise UserError(f"more than one partition holds a Linux system: {seen}", where=disk.image)
    for partition in partitions:
        if partition.file_system in UNREADABLE_SIGNATURES:
            seen += f"; partition {partition.number} is {UNREADABLE_SIGNATURES[partition.file_system]}"
    raise UserError(
        f"the image has no Linux root file system (one with /etc/os-release in it); it has {seen}",
        where=disk.image,
        hint="mic reads ext4, xfs and btrfs partitions",
    )
