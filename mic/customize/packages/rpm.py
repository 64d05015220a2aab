"""tdnf and dnf, in images whose packages are RPMs. dnf(8), dnf.conf(5); createrepo_c(8).

tdnf takes the same words; what differs is data. Its options and complaints are those of its sources, 3.2.2 (Mariner 2)
and 3.5.8 (Azure Linux 3): tools/cli/lib/parseargs.c has --assumeyes, --assumeno and --setopt, client/api.c reads
reposdir from --setopt, client/repolist.c gpgcheck from each repository, client/resolve.c complains about names.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mic.customize.packages.plan import Action, Step
from mic.customize.packages.sources import (
    PLACE,
    REPOSITORIES,
    Loan,
    PackageSources,
    SourceForm,
    copy_repository_files,
    foreign,
)
from mic.errors import UserError
from mic.programs import ProgramFailed, require, run
from mic.rootfs.view import Rootfs

_FORM = SourceForm("--rpm-source", ".rpm", (".repo",))
_OWN_REPOSITORIES = ("/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d")
# Words that all of them know by themselves, dnf5(8) without its aliases and tdnf 3.2.2 (tools/cli/main.c) too.
_VERBS = {
    Action.REMOVE: "remove",
    Action.UPDATE_BASE_IMAGE: "upgrade",
    Action.INSTALL: "install",
    Action.UPDATE: "upgrade",
}
# A group, a file that a package provides, a pattern, a rich dependency: rpm itself does not look these up by -q.
_NO_PLAIN_NAME = re.compile(r"[@/*?\[(<>= ]")
_NOT_INSTALLED = re.compile(r"^package (?P<name>\S+) is not installed$", re.MULTILINE)
# dnf's logs hold the addresses of repositories with the passwords in them; nobody else's machine shall have them.
# tdnf writes none and passes the setting over.
_LOGS = "/run/mic/log"
_QUERY = "%{NAME}\t%{EVR}\n"


@dataclass(frozen=True)
class Rpm:
    """One of the programs that know repositories of RPMs; `cache` is where it keeps what it fetched.

    `complaint` is how it says that no repository has the package `name`.
    """

    program: str
    cache: str
    complaint: re.Pattern[str]

    options = (f"--setopt=logdir={_LOGS}",)
    has_init_scripts = False

    def check_sources(self, sources: PackageSources) -> list[UserError]:
        errors = [*_FORM.check(sources.rpm), *foreign(sources.deb, "--deb-source", self.program, _FORM)]
        if any(source.is_dir() and not _has_repodata(source) for source in sources.rpm):
            try:
                require("createrepo_c")
            except UserError as error:
                errors.append(error)
        if not errors:
            try:
                list(_repositories(source for source in sources.rpm if source.is_file()))
            except UserError as error:
                errors.append(error)
        return errors

    def why_no_name(self, name: str) -> str | None:
        return "is not the name of a package" if any(character.isspace() for character in name) else None

    def installed(self, rootfs: Rootfs) -> Mapping[str, str]:
        try:
            listed = rootfs.sandbox.run("rpm", "-qa", "--queryformat", _QUERY, read_only=True).text
        except ProgramFailed as error:
            raise UserError(f"the image's rpm cannot list its packages: {error.completed.complaint}") from error
        return dict(line.split("\t", 1) for line in listed.splitlines() if "\t" in line)

    def not_installed(self, rootfs: Rootfs, names: Iterable[str]) -> frozenset[str]:
        plain = [name for name in names if not _NO_PLAIN_NAME.search(name)]
        if not plain:
            return frozenset()
        said = rootfs.sandbox.run("rpm", "-q", "--", *plain, read_only=True, check=False)
        return frozenset(match["name"] for match in _NOT_INSTALLED.finditer(said.text)) & set(plain)

    def unknown(self, said: str, names: Iterable[str]) -> frozenset[str]:
        return frozenset(match["name"] for match in self.complaint.finditer(said)) & frozenset(names)

    def lend(self, rootfs: Rootfs, sources: PackageSources, directory: Path) -> Loan:
        cache = directory / "cache"
        cache.mkdir()
        if not sources.rpm and sources.base_image_repositories:
            return Loan(network=True, writable={cache: self.cache})
        repositories = directory / "repositories"
        repositories.mkdir()
        shown = {repositories: REPOSITORIES}
        for number, source in enumerate(sources.rpm):
            description = repositories / f"mic-{number}.repo"
            if source.is_file():
                description.write_bytes(source.read_bytes())
                continue
            place = f"{PLACE}/rpm-{number}"
            if _has_repodata(source):
                shown[source] = place
            else:
                repository = directory / f"rpm-{number}"
                (repository / "rpms").mkdir(parents=True)
                _write_repodata(source, repository)
                shown |= {repository: place, source: f"{place}/rpms"}
            description.write_text(_DESCRIPTION.format(number=number, place=place))
        # One directory, because tdnf knows but one: the image's own descriptions go there, too.
        options = [f"--setopt=reposdir={REPOSITORIES}"]
        if sources.base_image_repositories:
            copy_repository_files(rootfs.tree, _OWN_REPOSITORIES, _FORM.lists, repositories)
        else:
            # dnf.conf may describe repositories of its own.
            enabled = _repositories(sorted(repositories.glob("*.repo")))
            options += ["--disablerepo=*", *(f"--enablerepo={name}" for name in enabled)]
        network = sources.base_image_repositories or any(source.is_file() for source in sources.rpm)
        return Loan(network, tuple(options), shown, {cache: self.cache})

    def refresh(self) -> tuple[str, ...]:
        return ("makecache",)

    def simulate(self, names: Iterable[str]) -> tuple[str, ...]:
        return ("--assumeno", "install", *names)

    def transaction(self, step: Step) -> tuple[str, ...]:
        # No "--" before the names, which not all of them know; reading has refused names that begin with "-".
        return ("--assumeyes", _VERBS[step.action], *step.names)


_DNF_UNKNOWN = re.compile(r"^No match for argument: (?P<name>\S+)", re.MULTILINE)
_TDNF_UNKNOWN = re.compile(r"^(?P<name>\S+) package not found or not installed$", re.MULTILINE)
TDNF = Rpm("tdnf", "/var/cache/tdnf", _TDNF_UNKNOWN)
DNF = Rpm("dnf", "/var/cache/dnf", _DNF_UNKNOWN)
DNF5 = Rpm("dnf5", "/var/cache/libdnf5", _DNF_UNKNOWN)

# Given by hand, and only for this run: nothing signs it.
_DESCRIPTION = """\
[mic-rpm-source-{number}]
name=mic --rpm-source {number}
baseurl=file://{place}
enabled=1
gpgcheck=0
repo_gpgcheck=0
skip_if_unavailable=0
"""


def _has_repodata(directory: Path) -> bool:
    return (directory / "repodata" / "repomd.xml").is_file()


def _write_repodata(packages: Path, repository: Path) -> None:
    """Describes the RPMs of a directory in `repository`/repodata, where they are to be seen as `repository`/rpms."""
    try:
        run("createrepo_c", "--quiet", "--location-prefix", "rpms", "--outputdir", repository, packages)
    except ProgramFailed as error:
        complaint = error.completed.complaint
        raise UserError(f"{_FORM.option}: createrepo_c cannot read it: {complaint}", where=packages) from error


def _repositories(descriptions: Iterable[Path]) -> Iterator[str]:
    """The ids of the enabled repositories in .repo files; raises `UserError` for a file without one."""
    for description in descriptions:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(description.read_text(errors="replace"))
            enabled = [name for name in parser.sections() if parser.getboolean(name, "enabled", fallback=True)]
        except (configparser.Error, ValueError) as error:
            # Not the error's own text: it quotes lines, in which there may be a password.
            raise UserError(f"{_FORM.option}: is not a description of repositories", where=description) from error
        if not parser.sections():
            raise UserError(f"{_FORM.option}: describes no repository", where=description)
        yield from enabled
