"""The rootfs as a squashfs, read straight from the view: no copy of the tree is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mic.errors import UserError
from mic.programs import finished, require, started
from mic.rootfs.kernel import Kernel

# Dropped from the rootfs: its mounts conflict with the overlay that the live boot sets up.
DROPPED = ("etc/fstab",)
_BLOCK_SIZE = "256K"
_ZSTD = ("-comp", "zstd", "-Xcompression-level", "3")
_GZIP = ("-comp", "gzip")


@contextmanager
def squashfs_being_written(top: Path, kernel: Kernel, workspace: Path) -> Iterator[Path]:
    """Writes the tree at `top` without `DROPPED` while the block runs; on leaving it, the squashfs is whole.

    Owners, modes, times, hard links, device nodes and extended attributes stay; POSIX ACLs are lost, which
    the format cannot hold. The image's kernel decides between zstd and gzip. Raises `UserError` when the
    image's kernel knows no squashfs at all, `ProgramFailed` when mksquashfs fails.
    """
    require("mksquashfs")
    if kernel.has_option("CONFIG_SQUASHFS") is False:
        raise UserError(f"the image's kernel {kernel.version} was built without squashfs")
    compression = _ZSTD if kernel.has_option("CONFIG_SQUASHFS_ZSTD") else _GZIP
    squashfs = workspace / "squashfs.img"
    command = (
        "mksquashfs", top, squashfs, *compression,
        "-b", _BLOCK_SIZE, "-noappend", "-no-progress", "-quiet", "-xattrs", "-no-recovery",
        # -e takes every argument after it, so it comes last (mksquashfs 4.5.1).
        "-e", *DROPPED,
    )  # fmt: skip
    with started(*command) as process:
        yield squashfs
        finished(process)
