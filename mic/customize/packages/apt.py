"""apt-get, in images of Debian and its kin. apt-get(8), apt.conf(5), sources.list(5).

What the image's own apt configuration decides stays decided by it: recommended packages, pinning, keys. Set
here is only that nobody is asked: configuration files that were changed stay as they are (dpkg(1),
--force-confold).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mic.customize.packages.plan import Action, Step
from mic.customize.packages.services import PROGRAMS
from mic.customize.packages.sources import (
    PLACE,
    REPOSITORIES,
    Loan,
    PackageSources,
    SourceForm,
    copy_repository_files,
    foreign,
    is_private,
)
from mic.errors import UserError
from mic.rootfs.view import Rootfs
from mic.tree import Tree

_FORM = SourceForm("--deb-source", ".deb", (".list", ".sources"))
_STATUS = "/var/lib/dpkg/status"
_CACHES = {"lists": "/var/lib/apt/lists", "cache": "/var/cache/apt"}
_OPTIONS = (
    "-q", "-y",
    "-o", "Dpkg::Use-Pty=0",
    "-o", "Dpkg::Options::=--force-confold",
    # The view is thrown away if anything fails: no need to wait for a disk after every file.
    "-o", "Dpkg::Options::=--force-unsafe-io",
    "-o", f"DPkg::Path={PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "-o", "Acquire::Retries=2",
    # A list that cannot be fetched is an error, not a warning (apt 2.3 and newer; older ones pass it over).
    "-o", "APT::Update::Error-Mode=any",
)  # fmt: skip
_VERBS: Mapping[Action, tuple[str, ...]] = {
    Action.REMOVE: ("remove",),
    # Not dist-upgrade, which may remove packages; new ones are let in, as a kernel of a new version is one.
    Action.UPDATE_BASE_IMAGE: ("upgrade", "--with-new-pkgs"),
    Action.INSTALL: ("install",),
    Action.UPDATE: ("install", "--only-upgrade"),
}
# Debian Policy 5.6.1 and 5.6.12; the architecture and "=version" or "/release" as apt-get takes them. What apt-get
# would also take, a pattern or a "-" at the end that turns an installation into a removal, names no package.
_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]*[a-z0-9+.])(:[a-z0-9-]+)?(=[A-Za-z0-9.+:~-]+|/[A-Za-z0-9.+~-]+)?")
_UNKNOWN = (
    re.compile(r"^E: Unable to locate package (\S+)$", re.MULTILINE),
    re.compile(r"^E: Package '([^']+)' has no installation candidate$", re.MULTILINE),
)
_UNKNOWN_VERSION = re.compile(r"^E: Version '([^']+)' for '([^']+)' was not found$", re.MULTILINE)
_UNKNOWN_RELEASE = re.compile(r"^E: Release '([^']+)' for '([^']+)' was not found$", re.MULTILINE)
_SEPARATOR = b"\0"
_READ_CONTROLS = 'for package; do dpkg-deb --field "$package" || exit; printf "\\0"; done'


class Apt:
    """The image's apt-get."""

    program = "apt-get"
    options = _OPTIONS
    has_init_scripts = True

    def check_sources(self, sources: PackageSources) -> list[UserError]:
        return [*_FORM.check(sources.deb), *foreign(sources.rpm, "--rpm-source", self.program, _FORM)]

    def why_no_name(self, name: str) -> str | None:
        return None if _NAME.fullmatch(name) else "is not the name of a Debian package"

    def installed(self, rootfs: Rootfs) -> Mapping[str, str]:
        return installed_packages(rootfs.tree)

    def not_installed(self, rootfs: Rootfs, names: Iterable[str]) -> frozenset[str]:
        known = installed_packages(rootfs.tree)
        return frozenset(name for name in names if _bare(name) not in known)

    def unknown(self, said: str, names: Iterable[str]) -> frozenset[str]:
        packages = {name for pattern in _UNKNOWN for name in pattern.findall(said)}
        versions = {f"{name}={version}" for version, name in _UNKNOWN_VERSION.findall(said)}
        versions |= {f"{name}/{release}" for release, name in _UNKNOWN_RELEASE.findall(said)}
        return frozenset(name for name in names if name in versions or re.split("[=/]", name)[0] in packages)

    def lend(self, rootfs: Rootfs, sources: PackageSources, directory: Path) -> Loan:
        caches = {}
        for name, place in _CACHES.items():
            (directory / name).mkdir()
            caches[directory / name] = place
        if not sources.deb and sources.base_image_repositories:
            return Loan(network=True, writable=caches)
        repositories = directory / "repositories"
        repositories.mkdir()
        options = ["-o", f"Dir::Etc::SourceParts={REPOSITORIES}"]
        if sources.base_image_repositories:
            copy_repository_files(rootfs.tree, ["/etc/apt/sources.list.d"], _FORM.lists, repositories)
        else:
            options += ["-o", "Dir::Etc::SourceList=/dev/null"]
        shown = {repositories: REPOSITORIES}
        for number, source in enumerate(sources.deb):
            if source.is_dir():
                index, place = directory / f"deb-{number}", f"{PLACE}/deb-{number}"
                (index / "debs").mkdir(parents=True)
                (index / "Packages").write_bytes(_package_index(rootfs, source))
                shown |= {index: place, source: f"{place}/debs"}
                # Given by hand, and only for this run: nothing signs it.
                (repositories / f"mic-{number}.list").write_text(f"deb [trusted=yes] file:{place} ./\n")
            else:
                (repositories / f"mic-{number}{source.suffix}").write_bytes(source.read_bytes())
        if any(source.is_dir() and is_private(source) for source in sources.deb):
            # apt fetches as the user _apt, who could not look into it.
            options += ["-o", "APT::Sandbox::User=root"]
        network = sources.base_image_repositories or any(source.is_file() for source in sources.deb)
        return Loan(network, tuple(options), shown, caches)

    def refresh(self) -> tuple[str, ...]:
        return ("update",)

    def simulate(self, names: Iterable[str]) -> tuple[str, ...]:
        return ("--simulate", "install", "--", *names)

    def transaction(self, step: Step) -> tuple[str, ...]:
        names = ("--", *step.names) if step.packages else ()
        return (*_VERBS[step.action], *names)


def _bare(name: str) -> str:
    """The package's name without architecture, version and release."""
    match = _NAME.fullmatch(name)
    return name if match is None else match["name"]


def installed_packages(rootfs: Tree) -> dict[str, str]:
    """The versions of dpkg's installed packages by name; one that left configuration files only is not installed."""
    found = {}
    for paragraph in rootfs.read_text(_STATUS).split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): *(.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            found[fields["Package"]] = fields.get("Version", "")
    return found


def _package_index(rootfs: Rootfs, directory: Path) -> bytes:
    """The file Packages of a directory of .deb files, sources.list(5); they are read by the image's own dpkg-deb."""
    packages = sorted(path.relative_to(directory) for path in _FORM.packages_in(directory))
    place = f"{PLACE}/read"
    done = rootfs.sandbox.run(
        *("sh", "-c", _READ_CONTROLS, "sh", *(f"{place}/{package}" for package in packages)),
        read_only=True,
        read_only_binds={directory: place},
        check=False,
    )
    controls = done.stdout.split(_SEPARATOR)[:-1]
    if done.exit_code != 0 or len(controls) != len(packages):
        complaint = done.complaint.replace(f"{place}/", "")
        raise UserError(f"{_FORM.option}: a package cannot be read: {complaint}", where=directory)
    paragraphs = []
    for package, control in zip(packages, controls, strict=True):
        with (directory / package).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = (directory / package).stat().st_size
        own = f"Filename: debs/{package}\nSize: {size}\nSHA256: {digest}\n"
        paragraphs.append(control.strip() + b"\n" + own.encode())
    return b"\n".join(paragraphs)
