"""Mounts that last as long as a block of code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mic.programs import run


@contextmanager
def mounted(*arguments: str | Path) -> Iterator[None]:
    """Mounts by mount(8) with these arguments, the mount point last; raises `ProgramFailed`."""
    run("mount", *arguments)
    try:
        yield
    finally:
        run("umount", "--lazy", arguments[-1])
