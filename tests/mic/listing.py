"""Everything about every entry of a tree, for comparing two trees."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """What must survive a conversion; `content` is a digest, a link's target or a device number."""

    mode: int
    uid: int
    gid: int
    mtime: int
    content: str
    links: frozenset[str]
    xattrs: frozenset[tuple[str, bytes]]


def entries(top: Path) -> dict[str, Entry]:
    """All entries below `top` by their path relative to it; the top itself is "."."""
    paths = [top, *(Path(base) / name for base, names, files in os.walk(top) for name in names + files)]
    hard_links: dict[int, set[str]] = {}
    for path in paths:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            hard_links.setdefault(status.st_ino, set()).add(str(path.relative_to(top)))
    return {str(path.relative_to(top)): _entry(path, hard_links) for path in paths}


def _entry(path: Path, hard_links: dict[int, set[str]]) -> Entry:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = str(path.readlink())
    else:
        content = str(status.st_rdev)
    # squashfs holds no POSIX ACLs; that they are lost is documented.
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("system.posix_acl")]
    return Entry(
        mode=status.st_mode,
        uid=status.st_uid,
        gid=status.st_gid,
        mtime=int(status.st_mtime),
        content=content,
        links=frozenset(hard_links.get(status.st_ino, ()) if not stat.S_ISDIR(status.st_mode) else ()),
        xattrs=frozenset((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
    )
