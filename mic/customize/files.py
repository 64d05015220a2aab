"""AdditionalFiles of the rootfs: files of the user's, copied in."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import PurePosixPath

from mic.config import AdditionalFile
from mic.errors import UserError
from mic.liveos.squashfs import DROPPED
from mic.tree import Tree


def check(rootfs: Tree, files: Iterable[AdditionalFile]) -> list[UserError]:
    """Destinations that are a directory in the image, lead through a file, or are dropped from a live rootfs."""
    errors = []
    dropped = {PurePosixPath("/", path) for path in DROPPED}
    for file in files:
        where = file.position
        if file.destination in dropped:
            errors.append(UserError(f"{file.destination} is dropped from a live rootfs", where=where))
        elif rootfs.exists(file.destination) and not rootfs.is_file(file.destination):
            errors.append(UserError(f"{file.destination} exists in the image and is not a file", where=where))
        else:
            errors.extend(_blocked_parent(rootfs, file))
    return errors


def _blocked_parent(rootfs: Tree, file: AdditionalFile) -> list[UserError]:
    for parent in file.destination.parents:
        if rootfs.exists(parent):
            if stat.S_ISDIR(rootfs.stat(parent).st_mode):
                return []
            return [UserError(f"{parent} is not a directory in the image", where=file.position)]
    return []


def apply(rootfs: Tree, files: Iterable[AdditionalFile]) -> None:
    """Copies each file; owner root, mode as asked or the source's own."""
    for file in files:
        rootfs.write_from(file.destination, file.source, mode=file.mode)
