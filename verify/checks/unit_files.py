"""Units in the rootfs of a medium: their files, and the links that ``systemctl enable`` makes (systemd.unit(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from verify.checks.on_medium import Reader, on_medium
from verify.expectations.services import UnitDisabled, UnitEnabled
from verify.squashfs import RootfsOnMedium
from verify.verdict import ProductFailure

_CONFIGURED = PurePosixPath("/etc/systemd/system")
_UNIT_DIRECTORIES = (
    _CONFIGURED,
    PurePosixPath("/usr/local/lib/systemd/system"),
    PurePosixPath("/usr/lib/systemd/system"),
    PurePosixPath("/lib/systemd/system"),
)
_PULLING = (".wants", ".requires", ".upholds")
# The runlevels that Debian boots into and those of Red Hat; systemd-sysv-generator takes their links as enabling.
_RUNLEVELS = tuple(PurePosixPath(top, f"rc{level}.d") for top in ("/etc", "/etc/rc.d") for level in "2345")
_INSTALL_SECTION = re.compile(r"^\[Install\]\s*$(?P<lines>.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
_INSTALL_LINE = re.compile(r"^(?:WantedBy|RequiredBy|UpheldBy|Alias)\s*=\s*\S", re.MULTILINE)
_NULL = PurePosixPath("/dev/null")


@dataclass(frozen=True)
class UnitInRootfs:
    """What the rootfs says of a unit. `names`: its own and those that lead to the same file.

    `links`: those that enable it. `installable`: its file says what would want it.
    """

    names: frozenset[str]
    file: PurePosixPath | None
    is_masked: bool
    installable: bool
    links: tuple[PurePosixPath, ...]


def unit_in_rootfs(rootfs: RootfsOnMedium, unit: str) -> UnitInRootfs:
    """Looks a unit up as systemd does: the first directory that has it, its template where it is an instance."""
    names = {unit}
    for name in (unit, _template_of(unit)):
        for directory in _UNIT_DIRECTORIES:
            place = directory / name
            entry = rootfs.entries.get(_resolved(rootfs, place))
            if entry is None:
                continue
            if _is_null(rootfs, place):
                return UnitInRootfs(frozenset(names), None, True, False, ())
            found = rootfs.find(place)
            if found is None:
                continue
            if name == unit and found[0].parent.name == "system":
                names.add(found[0].name)
            if found[1].kind == "-" and not found[1].size:
                return UnitInRootfs(frozenset(names), None, True, False, ())
            links = tuple(sorted(_links(rootfs, frozenset(names))))
            return UnitInRootfs(frozenset(names), found[0], False, _installable(rootfs, found[0]), links)
    script = PurePosixPath("/etc/init.d", unit.removesuffix(".service"))
    links = tuple(sorted(_runlevel_links(rootfs, script.name)))
    if unit.endswith(".service") and rootfs.find(script) is not None:
        return UnitInRootfs(frozenset(names), script, False, True, links)
    return UnitInRootfs(frozenset(names), None, False, False, tuple(sorted(_links(rootfs, frozenset(names)))))


@on_medium.of(UnitEnabled)
def unit_enabled(subject: UnitEnabled, reader: Reader) -> str:
    found = _noted(subject.unit, reader)
    if found.is_masked:
        raise ProductFailure(f"{subject.unit} is masked")
    if found.file is None:
        raise ProductFailure(f"the rootfs has no unit {subject.unit}")
    if found.links:
        return f"enabled by {', '.join(map(str, found.links))}"
    if found.installable:
        raise ProductFailure(f"{subject.unit} is not enabled: no link leads to {found.file}")
    return f"{found.file} says of nothing that it wants it: the machine shows whether it runs"


@on_medium.of(UnitDisabled)
def unit_disabled(subject: UnitDisabled, reader: Reader) -> str:
    found = _noted(subject.unit, reader)
    if found.links and not found.is_masked:
        raise ProductFailure(f"{subject.unit} is enabled: {', '.join(map(str, found.links))}")
    if found.is_masked:
        return "masked"
    return f"no link in {_CONFIGURED} enables it" if found.file else "the rootfs has no such unit"


def _noted(unit: str, reader: Reader) -> UnitInRootfs:
    found = unit_in_rootfs(reader.rootfs(), unit)
    shown = f"{found.file or 'no file'}; links: {', '.join(map(str, found.links)) or 'none'}"
    reader.notebook.note(f"looked up {unit} in the squashfs", shown)
    return found


def _template_of(unit: str) -> str:
    """``getty@.service`` for ``getty@tty1.service``; the unit itself where it is no instance."""
    stem, _, suffix = unit.rpartition(".")
    prefix, at, _ = stem.partition("@")
    return f"{prefix}@.{suffix}" if at else unit


def _resolved(rootfs: RootfsOnMedium, place: PurePosixPath) -> PurePosixPath:
    """`place` with the links in its directory followed, but not a link at `place` itself."""
    found = rootfs.find(place.parent)
    return place if found is None else found[0] / place.name


def _is_null(rootfs: RootfsOnMedium, place: PurePosixPath) -> bool:
    entry = rootfs.entries[_resolved(rootfs, place)]
    return entry.target is not None and PurePosixPath("/", place.parent, entry.target) == _NULL


def _links(rootfs: RootfsOnMedium, names: frozenset[str]) -> Iterator[PurePosixPath]:
    """The links below /etc/systemd/system that enable a unit: what wants it, and its other names."""
    for path, entry in rootfs.entries.items():
        # A link to nothing takes effect from one of a package's: process_deps in systemd's load-dropin.c.
        if entry.target is None or entry.target == str(_NULL):
            continue
        target = PurePosixPath(entry.target).name
        if path.parent.parent == _CONFIGURED and path.parent.name.endswith(_PULLING):
            if path.name in names or any(_template_of(path.name) == name != path.name for name in names):
                yield path
        elif path.parent == _CONFIGURED and target in names and path.name not in names:
            yield path


def _runlevel_links(rootfs: RootfsOnMedium, script: str) -> Iterator[PurePosixPath]:
    for path in rootfs.entries:
        if path.parent in _RUNLEVELS and re.fullmatch(rf"S\d\d{re.escape(script)}", path.name):
            yield path


def _installable(rootfs: RootfsOnMedium, file: PurePosixPath) -> bool:
    section = _INSTALL_SECTION.search(rootfs.read(file).decode(errors="replace"))
    return section is not None and _INSTALL_LINE.search(section["lines"]) is not None
