"""Masters the ISO with xorriso: one file that boots as a CD and as a disk, under UEFI and BIOS."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mic.medium import paths
from mic.programs import require, run

_HASH_BLOCK = 1 << 20
LABEL_PREFIX = "MIC_"


@dataclass(frozen=True)
class MediumContent:
    """What goes onto the medium: `files` by their path there, and what boots it."""

    volume_label: str
    files: Mapping[PurePosixPath, Path]
    master_boot_record: Path
    efi_image: Path


def volume_label_for(*files: Path, text: str) -> str:
    """A label that no other medium has: MIC_ and eight hex digits of a digest over what makes this one.

    Two live media may be in one machine, and GRUB and dracut find theirs by this label alone. "CDROM",
    which many tools write, makes Debian's ds-identify look for OpenNebula on it (cloud-init 22.4).
    """
    digest = hashlib.sha256(text.encode())
    for path in files:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
    return f"{LABEL_PREFIX}{digest.hexdigest()[:8].upper()}"


def write_iso(content: MediumContent, partial: Path) -> None:
    """Writes the ISO, its checksum in it, to `partial` and to the disk below it; raises `ProgramFailed`."""
    require("xorriso", "implantisomd5")
    grafts = [f"{_escaped(str(path))}={_escaped(str(source))}" for path, source in content.files.items()]
    run(
            "xorriso", "-as", "mkisofs",
            # Level 3 for files over 4 GiB; Rock Ridge keeps names, modes and links as they are.
            "-iso-level", "3", "-R", "-uid", "0", "-gid", "0", "-full-iso9660-filenames",
            "-V", content.volume_label, "-o", partial,
            "--grub2-mbr", content.master_boot_record, "-partition_offset", "16",
            "-c", str(paths.EL_TORITO_CATALOGUE),
            "-b", str(paths.EL_TORITO_BIOS), "-no-emul-boot", "-boot-load-size", "4",
            "-boot-info-table", "--grub2-boot-info",
            "-eltorito-alt-boot", "-append_partition", "2", "0xef", content.efi_image, "-appended_part_as_gpt",
            "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
            "-graft-points", *grafts,
        )  # fmt: skip
    # What checkisomd5, and dracut for rd.live.check, read: an MD5 of the volume in its own descriptor.
    run("implantisomd5", "--force", partial)
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _escaped(path: str) -> str:
    """`path` in a graft point, where "=" separates and a backslash escapes (xorrisofs(1))."""
    return path.replace("\\", "\\\\").replace("=", "\\=")
