"""A directory tree of the image, in which no path leads out."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mic.kernel_calls import open_in_root


@dataclass(frozen=True)
class Tree:
    """A directory tree whose paths are always resolved inside it.

    Every method takes paths as the image's own programs would see them: absolute, symbolic links followed
    below the tree's top and never outside it, whatever the image contains.
    """

    top: Path

    def exists(self, path: str | PurePosixPath) -> bool:
        try:
            os.close(self._open(path, os.O_PATH))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return False
            raise
        return True

    def stat(self, path: str | PurePosixPath) -> os.stat_result:
        """The status of what `path` leads to; raises `OSError`."""
        descriptor = self._open(path, os.O_PATH)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def is_file(self, path: str | PurePosixPath) -> bool:
        return self.exists(path) and stat.S_ISREG(self.stat(path).st_mode)

    def is_dangling(self, path: str | PurePosixPath) -> bool:
        """Whether `path` is a symbolic link that leads to nothing inside the tree."""
        if self.exists(path):
            return False
        try:
            os.close(self._open(path, os.O_PATH | os.O_NOFOLLOW))
        except OSError:
            return False
        return True

    def link_target(self, path: str | PurePosixPath) -> str | None:
        """What the symbolic link at `path` says, as it is written; None where there is no symbolic link."""
        try:
            descriptor = self._open(path, os.O_PATH | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        try:
            return os.readlink("", dir_fd=descriptor) if stat.S_ISLNK(os.fstat(descriptor).st_mode) else None
        finally:
            os.close(descriptor)

    def read_bytes(self, path: str | PurePosixPath) -> bytes:
        """The content of a regular file; raises `OSError`, also for anything that is not a regular file."""
        # O_NONBLOCK: a FIFO in the image must not hang us.
        with self._opened(path) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            with open(descriptor, "rb", closefd=False) as file:
                return file.read()

    def read_text(self, path: str | PurePosixPath) -> str:
        """The file's text, or an empty text where there is no such file."""
        try:
            return self.read_bytes(path).decode(errors="surrogateescape")
        except FileNotFoundError:
            return ""

    def list(self, path: str | PurePosixPath) -> tuple[str, ...]:
        """The names in a directory, sorted; none where there is no such directory."""
        try:
            descriptor = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        try:
            return tuple(sorted(os.listdir(descriptor)))
        finally:
            os.close(descriptor)

    def copy_out(self, path: str | PurePosixPath, destination: Path) -> None:
        """Copies a regular file of the image to a new file outside."""
        destination.write_bytes(self.read_bytes(path))

    def make_directories(self, path: str | PurePosixPath) -> None:
        """Makes `path` and its missing parents, mode 0755, owner root; raises `OSError`."""
        parts = PurePosixPath("/", path).parts
        for depth in range(2, len(parts) + 1):
            directory = PurePosixPath(*parts[:depth])
            if not self.exists(directory):
                with self._parent(directory) as parent:
                    os.mkdir(directory.name, 0o755, dir_fd=parent)
                    os.chmod(directory.name, 0o755, dir_fd=parent)

    def write(self, path: str | PurePosixPath, content: bytes, *, mode: int | None = None) -> None:
        """Writes a whole file, owner root.

        A new file gets `mode` (0644 where None); one that exists keeps its mode where `mode` is None. A
        symbolic link at `path` is followed inside the tree. Raises `OSError`.
        """
        with self._opened_for_writing(path, mode) as file:
            file.write(content)

    def write_from(self, path: str | PurePosixPath, source: Path, *, mode: int | None = None) -> None:
        """As `write`, with the content of `source`, a file outside the tree."""
        with source.open("rb") as content, self._opened_for_writing(path, mode) as file:
            shutil.copyfileobj(content, file)

    def change_owner(self, path: str | PurePosixPath, uid: int, gid: int) -> None:
        """Gives what `path` leads to another owner."""
        with self._opened(path) as descriptor:
            os.fchown(descriptor, uid, gid)

    def change_mode(self, path: str | PurePosixPath, mode: int) -> None:
        """Gives what `path` leads to other permission bits."""
        with self._opened(path) as descriptor:
            os.fchmod(descriptor, mode)

    @contextmanager
    def _opened_for_writing(self, path: str | PurePosixPath, mode: int | None) -> Iterator[BinaryIO]:
        target = PurePosixPath("/", path)
        self.make_directories(target.parent)
        new = not self.exists(target)
        descriptor = self._open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o600)
        with open(descriptor, "wb") as file:
            yield file
            os.fchown(descriptor, 0, 0)
            if new or mode is not None:
                os.fchmod(descriptor, 0o644 if mode is None else mode)

    @contextmanager
    def _opened(self, path: str | PurePosixPath) -> Iterator[int]:
        descriptor = self._open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def symlink(self, path: str | PurePosixPath, target: str) -> None:
        """Makes a symbolic link at `path`; raises `FileExistsError` when something is there."""
        link = PurePosixPath("/", path)
        self.make_directories(link.parent)
        with self._parent(link) as parent:
            os.symlink(target, link.name, dir_fd=parent)

    def remove(self, path: str | PurePosixPath) -> None:
        """Removes a file or a symbolic link itself; raises `OSError`."""
        target = PurePosixPath("/", path)
        with self._parent(target) as parent:
            os.unlink(target.name, dir_fd=parent)

    def _open(self, path: str | PurePosixPath, flags: int, mode: int = 0) -> int:
        top = os.open(self.top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return open_in_root(top, str(path).lstrip("/") or ".", flags, mode)
        finally:
            os.close(top)

    @contextmanager
    def _parent(self, path: PurePosixPath) -> Iterator[int]:
        descriptor = self._open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
