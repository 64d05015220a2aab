"""The image's files as they will be once AdditionalFiles are copied; for checks that run before that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from mic.config import AdditionalFile
from mic.tree import Tree


@dataclass(frozen=True)
class PlannedTree:
    """The tree with the files laid over it; nothing is written. Paths are absolute, as on the booted system."""

    tree: Tree
    files: tuple[AdditionalFile, ...] = ()

    def exists(self, path: str | PurePosixPath) -> bool:
        return self.added(path) is not None or self.tree.exists(path)

    def is_file(self, path: str | PurePosixPath) -> bool:
        return self.added(path) is not None or self.tree.is_file(path)

    def link_target(self, path: str | PurePosixPath) -> str | None:
        """As `Tree.link_target`. A file that is copied to a symbolic link is written where that leads."""
        return self.tree.link_target(path)

    def read_text(self, path: str | PurePosixPath) -> str:
        """The text of a file; empty where there is none, or something that is not a file."""
        if (file := self.added(path)) is not None:
            return file.source.read_text(errors="surrogateescape")
        return self.tree.read_text(path) if self.tree.is_file(path) else ""

    def list(self, path: str | PurePosixPath) -> tuple[str, ...]:
        """The names in a directory, sorted."""
        place = self._directory(PurePosixPath(path))
        added = {file.destination.name for file in self.files if self._directory(file.destination.parent) == place}
        return tuple(sorted({*self.tree.list(path), *added}))

    def added(self, path: str | PurePosixPath) -> AdditionalFile | None:
        """The last of the files that is copied to `path`, by whatever way there."""
        wanted = PurePosixPath(path)
        place = self._directory(wanted.parent)
        for file in reversed(self.files):
            if file.destination.name == wanted.name and self._directory(file.destination.parent) == place:
                return file
        return None

    def _directory(self, path: PurePosixPath) -> tuple[int, int] | PurePosixPath:
        """What two ways to one directory have in common: /lib/x and /usr/lib/x are the same on most systems."""
        if not self.tree.exists(path):
            return path
        status = self.tree.stat(path)
        return status.st_dev, status.st_ino
