"""What dpkg knows of packages, from its status file or from dpkg-query; values in, what was seen out.

The fields are those of deb-control(5) and of dpkg's status file; a state is that of dpkg(1), "Package states".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from verify.expectations.packages import PackageAbsent, PackageInstalled, PackageRequest
from verify.verdict import ProductFailure

# "Status: want flag state"; a package whose configuration files alone are left is not installed.
_GONE = frozenset({"not-installed", "config-files"})
_WHOLE = _GONE | {"installed"}
_MOST_SHOWN = 10
# apt-get installs what is recommended as well, unless it is told otherwise (apt.conf(5), APT::Install-Recommends).
_NEEDS = ("Pre-Depends", "Depends", "Recommends")
_FIELDS = ("Package", "Architecture", "Version", "Status", "Provides", *_NEEDS)
# For dpkg-query: the same stanzas as in the status file, of the fields that count.
QUERY_FORMAT = "".join(f"{field}: ${{{field}}}\\n" for field in _FIELDS) + "\\n"


@dataclass(frozen=True)
class DpkgPackage:
    """One stanza. `needs`: the clauses of what comes with it, each the names that would satisfy it."""

    name: str
    architecture: str
    version: str
    flag: str
    state: str
    provides: frozenset[str] = frozenset()
    needs: tuple[frozenset[str], ...] = ()

    @property
    def is_installed(self) -> bool:
        return self.state == "installed" and self.flag == "ok"

    @property
    def shown(self) -> str:
        return f"{self.name}:{self.architecture} {self.version}"


def parse_status(text: str) -> tuple[DpkgPackage, ...]:
    """The packages of a status file, or of what dpkg-query printed by `QUERY_FORMAT`."""
    return tuple(_package(fields) for stanza in text.split("\n\n") if (fields := _fields(stanza)).get("Package"))


def _fields(stanza: str) -> dict[str, str]:
    """Continued lines are passed over: none of the fields that count has any."""
    return {
        name: value.strip()
        for line in stanza.split("\n")
        if not line[:1].isspace()
        for name, colon, value in [line.partition(":")]
        if colon and name in _FIELDS
    }


def _package(fields: Mapping[str, str]) -> DpkgPackage:
    _, flag, state, *_ = (*fields.get("Status", "").split(), "", "", "")
    provided = (clause[0] for clause in _clauses(fields.get("Provides", "")))
    needs = (clause for name in _NEEDS for clause in _clauses(fields.get(name, "")))
    return DpkgPackage(
        fields["Package"],
        fields.get("Architecture", ""),
        fields.get("Version", ""),
        flag,
        state,
        frozenset(provided),
        tuple(frozenset(names) for names in needs),
    )


def _clauses(text: str) -> Iterator[tuple[str, ...]]:
    """``a (>= 1) | b:any, c`` is a or b, and c."""
    for clause in text.split(","):
        if names := tuple(re.split(r"[\s:(\[<]", one.strip())[0] for one in clause.split("|") if one.strip()):
            yield names


def judge_installed(subject: PackageInstalled, packages: Iterable[DpkgPackage]) -> str:
    """Raises `ProductFailure` unless the package, or one that provides it, is installed in the right version."""
    wanted, all_of_them = subject.package, tuple(packages)
    named = [package for package in all_of_them if _is_meant(package, wanted)]
    for package in named:
        if package.is_installed:
            if wanted.version is not None and package.version != wanted.version:
                raise ProductFailure(f"{package.shown} is installed, not version {wanted.version}")
            return f"{package.shown} is installed"
    if named and named[0].state not in _GONE:
        raise ProductFailure(f"{named[0].shown} is not installed but {_state(named[0])}")
    providers = [p.shown for p in all_of_them if p.is_installed and wanted.name in p.provides]
    if providers and wanted.version is None:
        return f"{wanted.text} is provided by {', '.join(providers)}"
    raise ProductFailure(f"{wanted.text} is not installed{_left_over(named)}")


def judge_absent(subject: PackageAbsent, packages: Iterable[DpkgPackage]) -> str:
    """Raises `ProductFailure` when any part of the package but configuration files is there.

    One that the configuration's own packages depend on, or recommend, comes back when those are installed.
    """
    all_of_them = tuple(packages)
    named = [package for package in all_of_them if _is_meant(package, subject.package)]
    there = [package for package in named if package.state not in _GONE]
    for package in there:
        if not package.is_installed:
            raise ProductFailure(f"{package.shown} is still there: {_state(package)}")
        needs = _dependents(package, all_of_them) & set(subject.installed_later)
        if not needs:
            raise ProductFailure(f"{package.shown} is installed")
        return f"{package.shown} was installed again: {', '.join(sorted(needs))} needs it"
    return f"{subject.package.text} is not installed{_left_over(named)}"


def judge_whole(packages: Iterable[DpkgPackage]) -> str:
    """Raises `ProductFailure` for packages that are half installed, not configured, or wait for triggers."""
    all_of_them = tuple(packages)
    broken = [p for p in all_of_them if p.state not in _WHOLE or (p.flag != "ok" and p.state != "not-installed")]
    if broken:
        shown = ", ".join(f"{package.shown}: {_state(package)}" for package in broken[:_MOST_SHOWN])
        raise ProductFailure(f"half done: {shown}" + (" and more" if len(broken) > _MOST_SHOWN else ""))
    installed = sum(package.is_installed for package in all_of_them)
    if not installed:
        raise ProductFailure("dpkg knows of no installed package")
    return f"{installed} packages are installed and configured"


def _is_meant(package: DpkgPackage, wanted: PackageRequest) -> bool:
    fits = wanted.architecture in (None, "any", "native", package.architecture) or package.architecture == "all"
    return package.name == wanted.name and fits


def _left_over(named: Iterable[DpkgPackage]) -> str:
    return "; configuration files are left" if any(p.state == "config-files" for p in named) else ""


def _state(package: DpkgPackage) -> str:
    return package.state if package.flag == "ok" else f"{package.state}, {package.flag}"


def _dependents(package: DpkgPackage, packages: tuple[DpkgPackage, ...]) -> set[str]:
    """The names of all installed packages that bring `package` with them, because nothing else would do."""
    missing = {package.name}
    installed = [p for p in packages if p.is_installed]
    grown = True
    while grown:
        left = [p for p in installed if p.name not in missing]
        there = {name for p in left for name in (p.name, *p.provides)}
        gone = {name for p in installed if p.name in missing for name in (p.name, *p.provides)}
        # A clause that nothing satisfied before is no reason.
        falling = {p.name for p in left for names in p.needs if not names & there and names & gone}
        grown = bool(falling)
        missing |= falling
    return missing - {package.name}
