"""SystemConfig.Packages...: what is installed in the end, what is not, and that no package is left half done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mic.config import Config, Packages
from verify.audit.facts import PackageDatabase
from verify.expectations.expectation import Expectation, Place, Subject, named

# An apt request: name, architecture, and a version or a suite (apt-get(8), "install"); the rest is the name's.
_REQUEST = re.compile(r"(?P<name>[^:=/]+)(?::(?P<architecture>[^=/]+))?(?:=(?P<version>.+)|/.+)?")


@dataclass(frozen=True)
class PackageRequest:
    """What a configuration says of one package. `text` is as it was written.

    `name`, `architecture` and `version` are read as apt reads ``name:amd64=1.2-3``. In rpm's ``name-1.2-3`` the
    version cannot be told from the name without rpm: there `text` is what counts.
    """

    text: str
    name: str
    architecture: str | None = None
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> PackageRequest:
        """Reads any text; one that is no request of apt's is all name, such as rpm's ``/usr/bin/program``."""
        match = _REQUEST.fullmatch(text)
        return cls(text, text) if match is None else cls(text, match["name"], match["architecture"], match["version"])

    @property
    def key(self) -> tuple[str, str | None]:
        """What a later request must share with this one to be about the same package."""
        return self.name, self.architecture


@dataclass(frozen=True)
class PackageInstalled(Subject):
    """The package is installed and configured, in the version that was asked for."""

    package: PackageRequest


@dataclass(frozen=True)
class PackageAbsent(Subject):
    """The package is not installed, unless one of those that the configuration installs later brings it back."""

    package: PackageRequest
    installed_later: tuple[str, ...]


@dataclass(frozen=True)
class PackagesWhole(Subject):
    """The package manager's last work was finished: no package is half installed or not configured."""


def expected_packages(config: Config, database: PackageDatabase | None) -> Iterator[Expectation]:
    """In the machine always; on the medium where the image has dpkg, whose database is a text.

    The order of work is the contract's: remove, update all, install, update; the last step that names a package
    decides about it. `database` is None where the medium's rootfs could not be read, or has none.
    """
    packages = config.system_config.packages
    if packages == Packages():
        return
    # rpm's database is no text: what rpm says of it in the machine is the first that can be believed.
    places = (Place.MEDIUM, Place.MACHINE) if database is PackageDatabase.DPKG else (Place.MACHINE,)
    for id, requirement, source, subject in _rows(packages):
        for place in places:
            yield Expectation(id, requirement, source, place, subject)


def _rows(packages: Packages) -> Iterator[tuple[str, str, str, Subject]]:
    present = {(request := PackageRequest.parse(p.name)).key: (request, p.key_path) for p in packages.install}
    for package in packages.update:
        request = PackageRequest.parse(package.name)
        # An update without a version may have gone beyond the version that was installed before.
        present[request.key] = (request, package.key_path)
    names = tuple(sorted({request.name for request, _ in present.values()}))
    for package in packages.remove:
        request = PackageRequest.parse(package.name)
        if request.key not in present:
            id, requirement = named("package", request.text, "absent"), f"Package {request.text} is not installed"
            yield id, requirement, package.key_path, PackageAbsent(request, names)
    for request, key_path in present.values():
        id, requirement = named("package", request.text, "installed"), f"Package {request.text} is installed"
        yield id, requirement, key_path, PackageInstalled(request)
    requirement = "No package is left half installed or not configured"
    yield named("package", "none-half-done"), requirement, "SystemConfig, packages", PackagesWhole()
