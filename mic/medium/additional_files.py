"""The user's own files on the medium."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mic.config import AdditionalFile
from mic.errors import UserError
from mic.medium import paths


def check(files: Iterable[AdditionalFile]) -> list[UserError]:
    """Destinations that collide with the tool's own files on the medium or with each other."""
    errors = []
    files = tuple(files)
    destinations = {file.destination for file in files}
    for file in files:
        if (own := paths.owner_of(file.destination)) is not None:
            errors.append(UserError(f"{file.destination} collides with the medium's own {own}", where=file.position))
        elif blocked := destinations.intersection(file.destination.parents):
            errors.append(
                UserError(
                    f"{file.destination} needs {min(blocked)} to be a directory, but another file goes there",
                    where=file.position,
                )
            )
    return errors


def stage(files: Iterable[AdditionalFile], directory: Path) -> dict[PurePosixPath, Path]:
    """Copies the files below `directory` with the modes they get on the medium; returns them by path there."""
    directory.mkdir()
    staged = {}
    for number, file in enumerate(files):
        copy = directory / str(number)
        shutil.copyfile(file.source, copy)
        copy.chmod(file.mode)
        staged[file.destination] = copy
    return staged
