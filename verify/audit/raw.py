"""The bytes of a medium, read where the standards say that they lie; short at the end, never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# ISO 9660 (ECMA-119) and El Torito count in these; MBR, GPT and El Torito's load size in the others.
CD_SECTOR_BYTES = 2048
DISK_SECTOR_BYTES = 512
VOLUME_DESCRIPTORS_LBA = 16


@dataclass(frozen=True)
class RawMedium:
    """An open medium of `size` bytes."""

    path: Path
    file: BinaryIO
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer where the medium ends."""
        if offset < 0 or offset >= self.size:
            return b""
        self.file.seek(offset)
        return self.file.read(min(length, self.size - offset))

    def cd_sectors(self, lba: int, count: int = 1) -> bytes:
        """`count` sectors of 2048 bytes."""
        return self.read(lba * CD_SECTOR_BYTES, count * CD_SECTOR_BYTES)
