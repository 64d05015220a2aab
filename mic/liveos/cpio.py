"""The cpio archives of an uncompressed initrd, "newc" format (Documentation/driver-api/early-userspace)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MAGICS = (b"070701", b"070702")
_HEADER_BYTES = 110
_TRAILER = "TRAILER!!!"
# kernel/early cpio: archives are padded with zeros to any multiple of 4 bytes, dracut pads to 512.
_PADDING_STEP = 4


@dataclass(frozen=True)
class CpioEntry:
    """One entry: its path without a leading slash, its st_mode, where its data starts and how long it is."""

    path: str
    mode: int
    offset: int
    size: int
    archive: int


class NotCpio(ValueError):
    """The data is not an uncompressed newc archive."""


def read_entries(initrd: BinaryIO) -> Iterator[CpioEntry]:
    """Every entry of every archive in the file, in order; `archive` counts the archives from 0.

    Raises `NotCpio` at the first byte that belongs to no uncompressed archive.
    """
    for start, number in archive_starts(initrd):
        yield from _entries_of_one(initrd, start, number)


def archive_starts(initrd: BinaryIO) -> Iterator[tuple[int, int]]:
    """The offset in bytes at which each archive starts, and its number from 0."""
    size = initrd.seek(0, 2)
    start, number = 0, 0
    while start < size:
        yield start, number
        end = start
        for entry in _entries_of_one(initrd, start, number, with_trailer=True):
            end = _aligned(entry.offset + entry.size)
        start = _skip_zeros(initrd, end, size)
        number += 1


def read_archive(initrd: BinaryIO, start: int) -> tuple[tuple[CpioEntry, ...], int]:
    """The entries of the one archive that begins `start` bytes into the file, and the offset of its end.

    Raises `NotCpio` (or another `ValueError`, where a header's numbers are none) for what is no archive.
    """
    *entries, trailer = _entries_of_one(initrd, start, 0, with_trailer=True)
    return tuple(entries), trailer.offset


def _entries_of_one(initrd: BinaryIO, start: int, number: int, *, with_trailer: bool = False) -> Iterator[CpioEntry]:
    position = start
    while True:
        initrd.seek(position)
        header = initrd.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or header[:6] not in _MAGICS:
            raise NotCpio(f"no cpio header at byte {position}")
        fields = [int(header[6 + 8 * index : 14 + 8 * index], 16) for index in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = initrd.read(name_size)[:-1].decode(errors="surrogateescape")
        data = _aligned(position + _HEADER_BYTES + name_size)
        if name == _TRAILER:
            if with_trailer:
                yield CpioEntry(name, 0, data, 0, number)
            return
        yield CpioEntry(name.removeprefix("./"), mode, data, size, number)
        position = _aligned(data + size)


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3


def _skip_zeros(initrd: BinaryIO, position: int, size: int) -> int:
    initrd.seek(position)
    while position < size:
        word = initrd.read(_PADDING_STEP)
        if word.strip(b"\0"):
            return position
        position += len(word)
    return size
