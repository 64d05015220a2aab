"""The release file: which version of mic changed the image, and when."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib import metadata

from mic.errors import UserError
from mic.tree import Tree

PATH = "/etc/mariner-customizer-release"
_EPOCH = "SOURCE_DATE_EPOCH"


def check() -> list[UserError]:
    """A SOURCE_DATE_EPOCH that is no time."""
    try:
        _build_date()
    except (ValueError, OverflowError, OSError):
        return [UserError(f"the environment's {_EPOCH} is not a number of seconds since 1970")]
    return []


def apply(rootfs: Tree) -> None:
    """Writes the file; the date is UTC, ISO 8601, that of SOURCE_DATE_EPOCH where it is set."""
    lines = (f'TOOL_VERSION="{_version()}"', f'BUILD_DATE="{_build_date():%Y-%m-%dT%H:%M:%SZ}"')
    rootfs.write(PATH, "".join(f"{line}\n" for line in lines).encode())


def _build_date() -> datetime:
    epoch = os.environ.get(_EPOCH)
    return datetime.now(UTC) if not epoch else datetime.fromtimestamp(int(epoch), UTC)


def _version() -> str:
    try:
        return metadata.version("mic")
    except metadata.PackageNotFoundError:
        return "unknown"
