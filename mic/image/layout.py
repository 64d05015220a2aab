"""The room's main line: from an image file to its layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mic.image.disk import Disk, open_disk
from mic.image.partitions import Partition, read_partitions
from mic.image.root import find_root


@dataclass(frozen=True)
class ImageLayout:
    """A disk image opened for reading: its partitions, and the one that holds the operating system."""

    disk: Disk
    partitions: tuple[Partition, ...]
    root: Partition


@contextmanager
def open_image(path: Path, workspace: Path) -> Iterator[ImageLayout]:
    """Opens the image for as long as the block runs; raises `UserError` when it holds no Linux system."""
    with open_disk(path, workspace) as disk:
        partitions = read_partitions(disk)
        yield ImageLayout(disk, partitions, find_root(disk, partitions, workspace))
