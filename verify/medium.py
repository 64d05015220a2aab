"""Reads a live medium as it lies there, without booting it: pycdlib for the ISO file system.

The medium was written by another implementation (xorriso), so that a mistake of one is not hidden by the
same mistake in the other.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

from mic.errors import UserError
from verify.grub_cfg import GrubCfg
from verify.squashfs import RootfsOnMedium
from verify.verdict import ProductFailure

SECTOR_BYTES = 2048
# dmsquash-live's defaults of rd.live.dir and rd.live.squashimg (dracut.cmdline(7)).
_LIVE_DIRECTORY, _SQUASHFS_NAME = "LiveOS", "squashfs.img"
GRUB_CFG_PATHS = (PurePosixPath("/boot/grub/grub.cfg"), PurePosixPath("/boot/grub2/grub.cfg"))
_READ_BYTES = 1 << 20
_FIRST_DESCRIPTOR, _MOST_DESCRIPTORS = 16, 64
_BOOT_SYSTEM = b"EL TORITO SPECIFICATION"
_BOOT_RECORD = b"\x00CD001\x01" + _BOOT_SYSTEM
# What pycdlib raises over a medium that is damaged or made to confuse it; seen by throwing garbage at it.
_DAMAGE = (
    PyCdlibException, struct.error, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
    RecursionError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class MediumFile:
    """A file of the ISO file system; mode and owner from Rock Ridge, None without it.

    `offset` is where its content begins in the ISO, in bytes.
    """

    path: PurePosixPath
    size: int
    mode: int | None
    uid: int | None
    gid: int | None
    offset: int


class Medium:
    """An open ISO. Every method raises `ProductFailure` when the medium cannot be read where it should be."""

    def __init__(self, path: Path, iso: PyCdlib) -> None:
        self.path = path
        self._iso: Any = iso
        self._by_rock_ridge: bool = iso.has_rock_ridge()
        self._rootfs: dict[PurePosixPath, RootfsOnMedium] = {}

    @property
    def label(self) -> str:
        """The volume identifier, without the blanks that fill it up."""
        identifier: bytes = self._iso.pvd.volume_identifier
        return identifier.decode("ascii", errors="replace").rstrip(" \0")

    def find(self, path: PurePosixPath) -> MediumFile | None:
        """The file at `path`, or None where there is no file of that name."""
        try:
            record = self._iso.get_record(**self._keyword(path))
        except PyCdlibException:
            return None
        except _DAMAGE as error:
            raise ProductFailure(f"{path} on the medium cannot be read: {error}") from error
        if record.is_dir():
            return None
        mode = uid = gid = None
        if self._by_rock_ridge and record.rock_ridge is not None:
            attributes = record.rock_ridge.dr_entries.px_record or record.rock_ridge.ce_entries.px_record
            if attributes is not None:
                mode = attributes.posix_file_mode & 0o7777
                uid, gid = attributes.posix_user_id, attributes.posix_group_id
        return MediumFile(path, record.get_data_length(), mode, uid, gid, record.extent_location() * SECTOR_BYTES)

    def require(self, path: PurePosixPath) -> MediumFile:
        """The file at `path`; raises `ProductFailure` where there is none."""
        found = self.find(path)
        if found is None:
            raise ProductFailure(f"the medium has no file {path}")
        return found

    def rootfs(self, path: PurePosixPath) -> RootfsOnMedium:
        """The rootfs in the squashfs at `path`; it is listed once, however often it is asked for."""
        if path not in self._rootfs:
            self._rootfs[path] = RootfsOnMedium(self.path, self.require(path).offset)
        return self._rootfs[path]

    def live_rootfs(self) -> RootfsOnMedium:
        """The rootfs that the medium boots into; raises `ProductFailure` where grub.cfg leads to none."""
        return self.rootfs(squashfs_path(self.grub_cfg()[1].linux[1:]))

    def digest(self, path: PurePosixPath) -> str:
        """The SHA-256 of a file's content."""
        digest = hashlib.sha256()
        for block in self._blocks(path):
            digest.update(block)
        return digest.hexdigest()

    def read(self, path: PurePosixPath) -> bytes:
        """The content of a small file."""
        return b"".join(self._blocks(path))

    def grub_cfg(self) -> tuple[PurePosixPath, GrubCfg]:
        """The grub.cfg that loads a kernel, and its path; raises `ProductFailure` when there is none."""
        for path in GRUB_CFG_PATHS:
            if self.find(path) is not None:
                cfg = GrubCfg.parse(self.read(path).decode(errors="replace"))
                if cfg.linux:
                    return path, cfg
        raise ProductFailure(f"no {' or '.join(map(str, GRUB_CFG_PATHS))} loads a kernel")

    def files(self) -> Iterator[PurePosixPath]:
        """The paths of all files, directory by directory; raises `ProductFailure` when a directory is damaged."""
        keyword = self._keyword(PurePosixPath("/"))
        try:
            for directory, _, names in self._iso.walk(**keyword):
                for name in sorted(names):
                    yield PurePosixPath(directory, name)
        except _DAMAGE as error:
            raise ProductFailure(f"the directories of the medium cannot be read: {error}") from error

    def _blocks(self, path: PurePosixPath) -> Iterator[bytes]:
        self.require(path)
        try:
            with self._iso.open_file_from_iso(**self._keyword(path)) as file:
                while block := file.read(_READ_BYTES):
                    yield block
        except _DAMAGE as error:
            raise ProductFailure(f"{path} on the medium cannot be read: {error}") from error

    def _keyword(self, path: PurePosixPath) -> dict[str, str]:
        if self._by_rock_ridge:
            return {"rr_path": str(path)}
        return {"joliet_path" if self._iso.has_joliet() else "iso_path": str(path)}


def squashfs_path(arguments: tuple[str, ...]) -> PurePosixPath:
    """Where dracut looks for the squashfs on the medium, the kernel arguments considered."""
    directory, name = _LIVE_DIRECTORY, _SQUASHFS_NAME
    for argument in arguments:
        key, _, value = argument.partition("=")
        directory = value if key == "rd.live.dir" and value else directory
        name = value if key == "rd.live.squashimg" and value else name
    return PurePosixPath("/", directory, name)


@contextmanager
def open_medium(path: Path) -> Iterator[Medium]:
    """Opens an ISO for reading; raises `UserError` when the file is missing or is no ISO."""
    if not path.is_file():
        raise UserError("there is no such file", where=path, hint="name an ISO that mic build has written")
    iso = PyCdlib()
    with path.open("rb") as file:
        try:
            iso.open_fp(io.BufferedReader(_WithoutBootRecord(file), _READ_BYTES))
        except _DAMAGE as error:
            raise UserError(f"this is not an ISO 9660 image that can be read: {error}", where=path) from error
        try:
            yield Medium(path, iso)
        finally:
            iso.close()


class _WithoutBootRecord(io.RawIOBase):
    """An ISO whose boot catalogue pycdlib does not see.

    pycdlib refuses a whole medium for a mistake in its catalogue, which `verify.audit.el_torito` is there to name.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._hidden: list[int] = []
        for number in range(1, _MOST_DESCRIPTORS):
            offset = (_FIRST_DESCRIPTOR + number) * SECTOR_BYTES
            file.seek(offset)
            descriptor = file.read(SECTOR_BYTES)
            if descriptor.startswith(_BOOT_RECORD):
                self._hidden.append(offset + _BOOT_RECORD.index(_BOOT_SYSTEM))
            if descriptor[:1] in (b"", b"\xff"):
                break

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        position = self._file.tell()
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        for hidden in self._hidden:
            begin = max(hidden - position, 0)
            end = min(hidden + len(_BOOT_SYSTEM) - position, len(data))
            if begin < end:
                buffer[begin:end] = bytes(end - begin)
        return len(data)
