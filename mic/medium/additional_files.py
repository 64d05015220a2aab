"""The user's own files on the medium."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mic.config import AdditionalFile
from mic.config.tree import problem_at
from mic.errors import UserError
from mic.medium import paths


def check(files: Iterable[AdditionalFile]) -> list[UserError]:
    """Destinations that collide with the tool's own files on the medium."""
    return [
        problem_at(file.position, file.key_path, f"{file.destination} collides with the medium's own {own}")
        for file in files
        if (own := paths.owner_of(file.destination)) is not None
    ]


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
