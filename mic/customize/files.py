"""AdditionalFiles of the rootfs: files of the user's, copied in."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import PurePosixPath

from mic.config import AdditionalFile
from mic.config.tree import problem_at
from mic.errors import UserError, UserErrors
from mic.tree import Tree


def check(rootfs: Tree, files: Iterable[AdditionalFile]) -> list[UserError]:
    """Destinations where the image has something else than a file or room for one."""
    reasons = ((file, _why_not(rootfs, file.destination)) for file in files)
    return [problem_at(file.position, file.key_path, reason) for file, reason in reasons if reason is not None]


def _why_not(rootfs: Tree, destination: PurePosixPath) -> str | None:
    if rootfs.exists(destination):
        return None if rootfs.is_file(destination) else f"{destination} exists in the image and is not a file"
    for path in (destination, *destination.parents):
        if rootfs.is_dangling(path):
            return f"{path} is a symbolic link that leads to nothing in the image"
        if rootfs.exists(path):
            return None if stat.S_ISDIR(rootfs.stat(path).st_mode) else f"{path} is not a directory in the image"
    return None


def apply(rootfs: Tree, files: Iterable[AdditionalFile]) -> None:
    """Copies each file; owner root, mode as asked or the source's own.

    Raises `UserErrors` where packages have put something in the way meanwhile.
    """
    files = tuple(files)
    if errors := check(rootfs, files):
        raise UserErrors(errors)
    for file in files:
        rootfs.write_from(file.destination, file.source, mode=file.mode)
