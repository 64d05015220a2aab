"""A part of a file as a file of its own: what lies in one piece on an ISO, read without copying it out."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class Extent(io.RawIOBase):
    """The `size` bytes of `file` from `offset`; the file itself stays its owner's."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._position))
        self._file.seek(self._offset + self._position)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def opened(file: BinaryIO, offset: int, size: int) -> BinaryIO:
    """The part of `file`, buffered."""
    buffered: BinaryIO = io.BufferedReader(Extent(file, offset, size), 1 << 16)
    return buffered
