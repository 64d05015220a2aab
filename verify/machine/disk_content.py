"""What a disk image holds, as one checksum that costs no more than the data in it."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from verify.verdict import HostFault

_BLOCK_BYTES = 1 << 18
_ZEROS = bytes(_BLOCK_BYTES)


def content_digest(disk: Path) -> str:
    """SHA-256 over size, and place and content of every block that is not all zeros.

    Holes are passed over (lseek(2), SEEK_DATA), so that an image of terabytes costs what is stored of it;
    zeros that are stored count like a hole, because a file system may turn one into the other by itself.
    Raises `HostFault` when the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        descriptor = os.open(disk, os.O_RDONLY)
        try:
            digest.update(f"{os.fstat(descriptor).st_size}\n".encode())
            for place, block in _blocks(descriptor):
                digest.update(f"{place} {len(block)}\n".encode())
                digest.update(block)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise HostFault(f"{disk} is not there") from error
    except OSError as error:
        raise HostFault(f"{disk} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _blocks(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """The blocks that are not all zeros, each at a multiple of the block size."""
    place = 0
    while (data := _next_data(descriptor, place)) is not None:
        place = data - data % _BLOCK_BYTES
        block = os.pread(descriptor, _BLOCK_BYTES, place)
        if not block:
            return
        if block != _ZEROS[: len(block)]:
            yield place, block
        place += _BLOCK_BYTES


def _next_data(descriptor: int, place: int) -> int | None:
    try:
        return os.lseek(descriptor, place, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end
            return None
        raise
