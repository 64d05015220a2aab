"""Reads a live medium as it lies there, without booting it: pycdlib for the ISO file system.

The medium was written by another implementation (xorriso), so that a mistake of one is not hidden by the
same mistake in the other.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

from mic.errors import UserError
from verify.grub_cfg import GrubCfg
from verify.machine.firmware import Firmware
from verify.squashfs import RootfsOnMedium
from verify.verdict import ProductFailure

SECTOR_BYTES = 2048
GRUB_CFG_PATHS = (PurePosixPath("/boot/grub/grub.cfg"), PurePosixPath("/boot/grub2/grub.cfg"))
# El Torito platform ids (El Torito specification 1.0, figure 3; UEFI specification, 13.3.2.1).
_PLATFORM_IDS = {0x00: Firmware.BIOS, 0xEF: Firmware.UEFI}
_BOOTABLE = 0x88
_READ_BYTES = 1 << 20


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

    @property
    def boot_firmwares(self) -> frozenset[Firmware]:
        """The firmwares for which the El Torito catalogue has a bootable entry."""
        catalogue = self._iso.eltorito_boot_catalog
        if catalogue is None:
            return frozenset()
        platforms = [(catalogue.validation_entry.platform_id, catalogue.initial_entry)]
        platforms += [(s.platform_id, entry) for s in catalogue.sections for entry in s.section_entries]
        return frozenset(
            _PLATFORM_IDS[platform]
            for platform, entry in platforms
            if platform in _PLATFORM_IDS and entry.boot_indicator == _BOOTABLE
        )

    def find(self, path: PurePosixPath) -> MediumFile | None:
        """The file at `path`, or None where there is no file of that name."""
        try:
            record = self._iso.get_record(**self._keyword(path))
        except PyCdlibException:
            return None
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
        """The paths of all files, directory by directory."""
        keyword = self._keyword(PurePosixPath("/"))
        for directory, _, names in self._iso.walk(**keyword):
            for name in sorted(names):
                yield PurePosixPath(directory, name)

    def _blocks(self, path: PurePosixPath) -> Iterator[bytes]:
        self.require(path)
        try:
            with self._iso.open_file_from_iso(**self._keyword(path)) as file:
                while block := file.read(_READ_BYTES):
                    yield block
        except (PyCdlibException, OSError, struct.error) as error:
            raise ProductFailure(f"{path} on the medium cannot be read: {error}") from error

    def _keyword(self, path: PurePosixPath) -> dict[str, str]:
        if self._by_rock_ridge:
            return {"rr_path": str(path)}
        return {"joliet_path" if self._iso.has_joliet() else "iso_path": str(path)}


@contextmanager
def open_medium(path: Path) -> Iterator[Medium]:
    """Opens an ISO for reading; raises `UserError` when the file is missing or is no ISO."""
    if not path.is_file():
        raise UserError("there is no such file", where=path, hint="name an ISO that mic build has written")
    iso = PyCdlib()
    try:
        iso.open(str(path))
    except (PyCdlibException, struct.error, OSError) as error:
        raise UserError(f"this is not an ISO 9660 image that can be read: {error}", where=path) from error
    try:
        yield Medium(path, iso)
    finally:
        iso.close()
