"""The FAT image that UEFI firmware boots from, sized by what goes into it."""

from __future__ import annotations

from pathlib import Path

from mic.medium.boot_loaders import EfiLoaders
from mic.programs import require, run

_MIB = 1 << 20
# Below 4085 clusters a FAT is FAT12, which some firmware does not read: one sector a cluster and 4 MiB are
# FAT16 on every mkfs.fat.
_LEAST_BYTES = 4 * _MIB
_LARGEST_ONE_SECTOR_CLUSTER_BYTES = 30 * _MIB
# Cluster rounding and directories, for a handful of files.
_OVERHEAD_BYTES = _MIB
_VOLUME_ID = "4d494345"


def efi_tree(loaders: EfiLoaders, stub: str, directory: Path) -> Path:
    """The directory tree of the EFI image: the loaders, untouched, and a stub grub.cfg wherever GRUB may look."""
    boot = directory / "EFI" / "BOOT"
    boot.mkdir(parents=True)
    for name, source in loaders.files.items():
        (boot / name).write_bytes(source.read_bytes())
    for prefix in loaders.prefixes:
        (directory / prefix).mkdir(parents=True, exist_ok=True)
        (directory / prefix / "grub.cfg").write_text(stub)
    return directory


def make_efi_image(tree: Path, image: Path) -> Path:
    """Writes `tree` into a new FAT16 image just large enough, without mounting anything."""
    require("mkfs.fat", "mcopy")
    content = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    size = max(_LEAST_BYTES, -(-(content + _OVERHEAD_BYTES) // _MIB) * _MIB)
    with image.open("wb") as file:
        file.truncate(size)
    sectors_per_cluster = "1" if size <= _LARGEST_ONE_SECTOR_CLUSTER_BYTES else "8"
    run("mkfs.fat", "-F", "16", "-s", sectors_per_cluster, "-i", _VOLUME_ID, "-n", "EFI", image)
    run("mcopy", "-s", "-i", image, *sorted(tree.iterdir()), "::/")
    return image
