"""The image's root as a directory that can be changed while the image stays as it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mic.image.layout import ImageLayout
from mic.image.root import mounted_read_only
from mic.mounts import mounted
from mic.rootfs.sandbox import Sandbox
from mic.tree import Tree


@dataclass(frozen=True)
class Rootfs:
    """The writable view of the root: its files, and the sandbox that runs its programs.

    `used_bytes` is what the image's own file system says it holds, before any change.
    """

    tree: Tree
    sandbox: Sandbox
    used_bytes: int


@contextmanager
def open_rootfs(image: ImageLayout, workspace: Path) -> Iterator[Rootfs]:
    """The image's root, read-only, with an overlay above it for as long as the block runs."""
    with mounted_read_only(image.disk, image.root, workspace / "image-root") as lower:
        upper, work, merged, scratch = (workspace / name for name in ("changes", "changes-work", "rootfs", "scratch"))
        for directory in (upper, work, merged, scratch):
            directory.mkdir()
        scratch.chmod(0o1777)
        _copy_top_directory(lower, upper)
        options = f"lowerdir={_escaped(lower)},upperdir={_escaped(upper)},workdir={_escaped(work)}"
        usage = os.statvfs(lower)
        with mounted("-t", "overlay", "-o", options, "overlay", merged):
            yield Rootfs(Tree(merged), Sandbox(merged, scratch), (usage.f_blocks - usage.f_bfree) * usage.f_frsize)


def _copy_top_directory(lower: Path, upper: Path) -> None:
    """Gives the overlay's top the image's own mode, owner and times: the kernel shows those of `upper`."""
    status = lower.stat()
    os.chown(upper, status.st_uid, status.st_gid)
    os.chmod(upper, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(lower):
        with suppress(OSError):
            os.setxattr(upper, name, os.getxattr(lower, name))
    os.utime(upper, ns=(status.st_atime_ns, status.st_mtime_ns))


def _escaped(path: Path) -> str:
    """`path` as an overlay option, where colon, comma and backslash separate or escape."""
    text = str(path)
    for character in "\\:,":
        text = text.replace(character, f"\\{character}")
    return text
