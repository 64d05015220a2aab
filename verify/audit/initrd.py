"""What is in an initrd: archives that lie bare at its front, then one that is packed.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from mic.liveos.cpio import read_archive
from mic.programs import Completed, ProgramFailed, require, started
from verify.verdict import ProductFailure

# The first bytes of each format that the kernel unpacks (lib/decompress.c), and the program that does it here.
_PACKERS = (
    (b"\x28\xb5\x2f\xfd", "zstd", ("zstd", "-dcq")),
    (b"\x1f\x8b", "gzip", ("gzip", "-dcq")),
    (b"\xfd7zXZ\0", "xz", ("xz", "-dcq")),
    (b"\x02!L\x18", "lz4", ("lz4", "-dcq")),
    (b"BZh", "bzip2", ("bzip2", "-dcq")),
    (b"\x5d\0\0", "lzma", ("xz", "-dcq", "--format=lzma")),
    (b"\x89LZO", "lzo", ("lzop", "-dcq")),
)
_MAGIC_BYTES = 8
_CPIO_MAGICS = (b"070701", b"070702")
# No initrd is anywhere near; a file made to fill the disk is.
_MOST_BYTES = 2 << 30
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class InitrdContent:
    """Archives by their format, in order; every path; and the content of the small files that tell what it is."""

    archives: tuple[str, ...]
    paths: frozenset[str]
    texts: dict[str, str]


# What is read, by the end of its path: dracut's list of modules, and the script that mounts the live root.
_READ = ("lib/dracut/modules.txt", "sbin/dmsquash-live-root", "sbin/dmsquash-live-root.sh")
_LONGEST_TEXT = 1 << 20


def read_initrd(content: BinaryIO) -> InitrdContent:
    """Reads a whole initrd; raises `ProductFailure` when it is damaged or of no known format."""
    archives: list[str] = []
    paths: set[str] = set()
    texts: dict[str, str] = {}
    packed_at = _take_bare(content, archives, paths, texts)
    content.seek(packed_at)
    magic = content.read(_MAGIC_BYTES)
    if magic.strip(b"\0"):
        name, command = _packer_of(magic, packed_at)
        archives.append(name)
        with _unpacked(content, packed_at, name, command) as unpacked:
            end = _take_bare(unpacked, [], paths, texts)
            if end < unpacked.seek(0, os.SEEK_END):
                raise ProductFailure(f"the {name} archive of the initrd holds something that is no cpio archive")
    if not paths:
        raise ProductFailure("the initrd is empty")
    return InitrdContent(tuple(archives), frozenset(paths), texts)


def _take_bare(file: BinaryIO, archives: list[str], paths: set[str], texts: dict[str, str]) -> int:
    """Takes the archives from the front of `file`; returns the offset of what is no cpio archive, or its end."""
    end = 0
    size = file.seek(0, os.SEEK_END)
    while True:
        end = _past_zeros(file, end, size)
        file.seek(end)
        if file.read(6) not in _CPIO_MAGICS:
            return end
        archives.append("cpio")
        end = _take_one(file, end, paths, texts)


def _past_zeros(file: BinaryIO, position: int, size: int) -> int:
    while position < size:
        file.seek(position)
        block = file.read(4096)
        stripped = block.lstrip(b"\0")
        if stripped:
            return position + len(block) - len(stripped)
        position += len(block)
    return size


def _take_one(file: BinaryIO, start: int, paths: set[str], texts: dict[str, str]) -> int:
    try:
        entries, end = read_archive(file, start)
    except ValueError as error:
        raise ProductFailure(f"the initrd is damaged: {error}") from error
    size = file.seek(0, os.SEEK_END)
    for entry in entries:
        if entry.offset + entry.size > size:
            raise ProductFailure(f"the initrd is cut short: {entry.path} reaches beyond its end")
        paths.add(entry.path)
        if entry.path.endswith(_READ) and entry.size <= _LONGEST_TEXT:
            file.seek(entry.offset)
            texts[entry.path] = file.read(entry.size).decode(errors="replace")
    return end


def _packer_of(magic: bytes, offset: int) -> tuple[str, tuple[str, ...]]:
    for start, name, command in _PACKERS:
        if magic.startswith(start):
            return name, command
    raise ProductFailure(f"byte {offset} of the initrd begins neither a cpio archive nor one that a kernel unpacks")


@contextmanager
def _unpacked(content: BinaryIO, start: int, name: str, command: tuple[str, ...]) -> Iterator[BinaryIO]:
    """What `command` makes of the rest of `content`, in a temporary file."""
    require(command[0])
    with tempfile.TemporaryFile(prefix="mic-audit-") as file:
        with tempfile.TemporaryFile() as complaints, started(*command, stdin=True, stderr=complaints) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            feeder = threading.Thread(target=_feed, args=(content, start, process.stdin), daemon=True)
            feeder.start()
            while block := process.stdout.read(_COPY_BYTES):
                file.write(block)
                if file.tell() > _MOST_BYTES:
                    raise ProductFailure(f"the initrd unpacks to more than {_MOST_BYTES >> 20} MiB")
            feeder.join()
            if process.wait() != 0:
                complaints.seek(0)
                arguments = tuple(map(str, command))
                failed = Completed(arguments, process.returncode, b"", complaints.read())
                raise ProductFailure(f"the initrd cannot be unpacked: {failed.complaint}") from ProgramFailed(failed)
        yield file


def _feed(content: BinaryIO, start: int, pipe: BinaryIO) -> None:
    content.seek(start)
    # A program that has seen enough, or has given up, closes its end; its exit code tells.
    with contextlib.suppress(BrokenPipeError), pipe:
        while block := content.read(_COPY_BYTES):
            pipe.write(block)
