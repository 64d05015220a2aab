"""AdditionalFiles: content, mode and owner, on the medium and in the rootfs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from mic.config import AdditionalFile, Config
from mic.errors import UserError
from verify.expectations.expectation import Expectation, Place, Subject, named

# Where dracut's dmsquash-live mounts the medium; it stays mounted after switch-root.
MEDIUM_MOUNT_POINT = PurePosixPath("/run/initramfs/live")


@dataclass(frozen=True)
class FileDigest:
    """What a file must be: SHA-256 of its content, size in bytes, permission bits."""

    sha256: str
    size: int
    mode: int


@dataclass(frozen=True)
class FileOnMedium(Subject):
    """A file on the ISO file system, at this path of its own."""

    path: PurePosixPath
    digest: FileDigest


@dataclass(frozen=True)
class FileInRootfs(Subject):
    """A file of the rootfs."""

    path: PurePosixPath
    digest: FileDigest


def expected_files(config: Config) -> Iterator[Expectation]:
    """Each file at its destination, looked for without and with booting.

    Raises `UserError` when a source cannot be read any more.
    """
    for file in config.iso.additional_files:
        path = PurePosixPath("/", file.destination)
        subject = FileOnMedium(path, digest_of(file))
        for place, seen_at in ((Place.MEDIUM, path), (Place.MACHINE, MEDIUM_MOUNT_POINT / str(path)[1:])):
            requirement = f"{seen_at} is the configuration's file, mode {subject.digest.mode:04o}, owner root"
            yield Expectation(named("file.iso", str(path)), requirement, file.key_path, place, subject)
    for file in config.system_config.additional_files:
        path = PurePosixPath("/", file.destination)
        in_rootfs = FileInRootfs(path, digest_of(file))
        requirement = f"{path} is the configuration's file, mode {in_rootfs.digest.mode:04o}, owner root"
        for place in (Place.MEDIUM, Place.MACHINE):
            yield Expectation(named("file.rootfs", str(path)), requirement, file.key_path, place, in_rootfs)


def digest_of(file: AdditionalFile) -> FileDigest:
    """Reads the source once; raises `UserError` when it cannot be read."""
    try:
        content = file.source.read_bytes()
    except OSError as error:
        raise UserError(f"{file.source}: {error.strerror}", where=file.position) from error
    return FileDigest(hashlib.sha256(content).hexdigest(), len(content), file.mode)
