"""What is asked of a package manager of an image, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from mic.customize.packages.plan import Step
from mic.customize.packages.sources import Loan, PackageSources
from mic.errors import UserError
from mic.rootfs.view import Rootfs


class PackageManager(Protocol):
    """A package manager that an image has.

    Its commands are what follows `program`, `options` and those of the loan on a command line;
    `mic.customize.packages.transaction` runs them.
    """

    @property
    def program(self) -> str:
        """Its name, as users know it."""

    @property
    def options(self) -> tuple[str, ...]:
        """What every one of its commands is run with."""

    @property
    def has_init_scripts(self) -> bool:
        """Whether its packages may start services by invoke-rc.d."""

    def check_sources(self, sources: PackageSources) -> list[UserError]:
        """Every source that it cannot take."""

    def why_no_name(self, name: str) -> str | None:
        """Why `name` cannot name a package, where that can be told from the name alone."""

    def installed(self, rootfs: Rootfs) -> Mapping[str, str]:
        """The versions of the installed packages by name; changes nothing in the image."""

    def not_installed(self, rootfs: Rootfs, names: Iterable[str]) -> frozenset[str]:
        """Those of `names` that stand for no installed package; changes nothing in the image."""

    def unknown(self, said: str, names: Iterable[str]) -> frozenset[str]:
        """Those of `names` that no repository has, by what it said when it was asked for them."""

    def lend(self, rootfs: Rootfs, sources: PackageSources, directory: Path) -> Loan:
        """Prepares what it needs of the sources in `directory`, which is empty; raises `UserError`."""

    def refresh(self) -> tuple[str, ...]:
        """The command that brings up to date what it knows of the repositories."""

    def simulate(self, names: Iterable[str]) -> tuple[str, ...]:
        """The command that tries to install and changes nothing; it tells which names no repository knows."""

    def transaction(self, step: Step) -> tuple[str, ...]:
        """The command that carries the step out."""
