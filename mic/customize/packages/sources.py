"""Where packages come from besides the image's own repositories, and how that is lent to the package manager.

What is lent is seen in the sandbox below `PLACE` and in the image's cache directories, for as long as one
program runs; nothing of it is written into the image.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mic.errors import UserError
from mic.tree import Tree

PLACE = "/run/mic/packages"
# Where the files that describe repositories are seen.
REPOSITORIES = f"{PLACE}/repositories"


@dataclass(frozen=True)
class PackageSources:
    """What --rpm-source, --deb-source and --disable-base-image-rpm-repos ask for; paths as given, in order."""

    rpm: tuple[Path, ...] = ()
    deb: tuple[Path, ...] = ()
    base_image_repositories: bool = True


@dataclass(frozen=True)
class Loan:
    """What the package manager is lent: `options` for it, and directories of the host shown in the sandbox.

    `read_only` and `writable` say at which path of the sandbox each is seen.
    """

    network: bool
    options: tuple[str, ...] = ()
    read_only: Mapping[Path, str] = field(default_factory=dict)
    writable: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceForm:
    """What a family's sources look like: `option` names them, `package` is the suffix of a package's file."""

    option: str
    package: str
    lists: tuple[str, ...]

    def why_not(self, source: Path) -> str | None:
        """Why `source` cannot be one, or None."""
        if source.is_dir():
            if next(self.packages_in(source), None) is None:
                return f"has no *{self.package} file"
            return None
        if not source.exists():
            return "does not exist"
        if source.suffix not in self.lists:
            return f"is neither a directory nor a file whose name ends in {' or '.join(self.lists)}"
        try:
            source.read_bytes()
        except OSError as error:
            return f"cannot be read: {(error.strerror or 'error').lower()}"
        return None

    def packages_in(self, directory: Path) -> Iterator[Path]:
        """The package files at any depth below a directory; links to files count, links to directories do not."""
        for parent, _, names in os.walk(directory):
            for name in names:
                path = Path(parent, name)
                if path.suffix == self.package and path.is_file():
                    yield path

    def check(self, sources: Iterable[Path]) -> list[UserError]:
        """Every source that cannot be one."""
        found = ((source, self.why_not(source)) for source in sources)
        return [UserError(f"{self.option}: {reason}", where=source) for source, reason in found if reason is not None]


def foreign(sources: Iterable[Path], option: str, program: str, own: SourceForm) -> list[UserError]:
    """Sources of another family than the image's."""
    message = f"{option}: the packages of this image are the business of {program}"
    return [UserError(message, where=source, hint=f"{own.option} gives it packages") for source in sources]


def is_private(directory: Path) -> bool:
    """Whether others than its owner cannot look into it."""
    return not stat.S_IMODE(directory.stat().st_mode) & (stat.S_IROTH | stat.S_IXOTH)


def copy_repository_files(rootfs: Tree, directories: Iterable[str], suffixes: tuple[str, ...], target: Path) -> None:
    """Copies the image's own descriptions of repositories out of it, to stand beside the lent ones."""
    for directory in directories:
        for name in rootfs.list(directory):
            if name.endswith(suffixes) and rootfs.is_file(f"{directory}/{name}"):
                rootfs.copy_out(f"{directory}/{name}", target / name)


_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def without_credentials(text: str) -> str:
    """`text` with the user names and passwords in its URIs blotted out."""
    return _CREDENTIALS.sub("***@", text)
