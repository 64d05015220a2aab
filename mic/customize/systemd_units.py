"""The units of an image, found in its files as systemd would find them: systemd.unit(5), unit file load path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from mic.customize.planned_tree import PlannedTree

_DIRECTORIES = (
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_SYSV_SCRIPTS = "/etc/init.d"
_DBUS_SERVICES = "/usr/share/dbus-1/system-services"
_SUFFIXES = frozenset(
    ("service", "socket", "target", "timer", "path", "mount", "automount", "swap", "slice", "scope", "device")
)
_DEPENDENCY_DIRECTORIES = (".wants", ".requires", ".upholds")
_TRIGGERS = ("socket", "timer", "path")
# What `systemctl enable` goes by; Also= alone enables others only.
_ENABLING = re.compile(r"^\s*(WantedBy|RequiredBy|UpheldBy|Also|Alias)\s*=\s*\S", re.MULTILINE)
_DEFAULT_INSTANCE = re.compile(r"^\s*DefaultInstance\s*=\s*\S", re.MULTILINE)
_SECTION = re.compile(r"^\s*\[(?P<name>[^\]]*)\]\s*$", re.MULTILINE)
_DEPENDENCY = re.compile(r"^\s*(?:Wants|Requires|Requisite|BindsTo|Upholds)\s*=(.*)$", re.MULTILINE)
_TRIGGERED = re.compile(r"^\s*(?:Unit|Service)\s*=(.*)$", re.MULTILINE)
_DBUS_ACTIVATED = re.compile(r"^\s*SystemdService\s*=\s*(\S+)\s*$", re.MULTILINE)
# Services need the latter two without saying so (DefaultDependencies= in systemd.service(5)).
_STARTS = ("default.target", "sysinit.target", "basic.target")
_MOST_ALIASES = 8


@dataclass(frozen=True)
class Unit:
    """A unit of the image.

    `name` is the one it has once aliases are followed, with its suffix and instance. `path` is None for a System V
    script without a unit file.
    """

    name: str
    path: PurePosixPath | None
    is_masked: bool
    has_install_section: bool
    lacks_instance: bool

    @property
    def template(self) -> str | None:
        """``getty@.service`` of ``getty@tty1.service``; None for what is no instance."""
        return _template_of(self.name)


def full_name(name: str) -> str:
    """`name` with its suffix; .service may be left out, as for systemctl(1)."""
    return name if name.rpartition(".")[2] in _SUFFIXES and "." in name else f"{name}.service"


def _template_of(name: str) -> str | None:
    prefix, at, rest = name.partition("@")
    instance, _dot, suffix = rest.rpartition(".")
    return f"{prefix}@.{suffix}" if at and instance else None


def find_unit(image: PlannedTree, name: str) -> Unit | None:
    """The unit that `name` means, aliases followed; None where the image has none."""
    wanted = full_name(name)
    for _ in range(_MOST_ALIASES):
        path = _file_of(image, wanted)
        if path is None:
            return _sysv_unit(image, wanted)
        target = image.link_target(path) if image.added(path) is None else None
        if target == "/dev/null":
            return Unit(wanted, path, is_masked=True, has_install_section=False, lacks_instance=False)
        alias = None if target is None else PurePosixPath(target).name
        if alias is None or alias in (path.name, wanted):
            return _unit(image, wanted, path)
        wanted = _instantiated(alias, wanted)
    return None


def _file_of(image: PlannedTree, name: str) -> PurePosixPath | None:
    for candidate in (name, _template_of(name)):
        for directory in _DIRECTORIES if candidate else ():
            path = PurePosixPath(directory, str(candidate))
            if image.is_file(path) or image.link_target(path) == "/dev/null":
                return path
    return None


def _instantiated(alias: str, wanted: str) -> str:
    """``autovt@tty3.service`` as an instance of what autovt@.service is a link to."""
    instance = wanted.partition("@")[2].rpartition(".")[0]
    prefix, at, suffix = alias.partition("@.")
    return f"{prefix}@{instance}.{suffix}" if at else alias


def _sysv_unit(image: PlannedTree, name: str) -> Unit | None:
    """What systemd-sysv-generator(8) makes of a script in /etc/init.d."""
    stem, _dot, suffix = name.rpartition(".")
    if suffix != "service" or not stem or not image.is_file(f"{_SYSV_SCRIPTS}/{stem}"):
        return None
    return Unit(name, None, is_masked=False, has_install_section=True, lacks_instance=False)


def _unit(image: PlannedTree, name: str, path: PurePosixPath) -> Unit:
    text = image.read_text(path)
    # An empty file masks as well.
    is_masked = not text.strip() and image.added(path) is None
    texts = [text, *_drop_ins(image, {name, path.name})]
    install = "\n".join(_section(text, "Install") for text in texts)
    is_template = "@." in name
    return Unit(
        name,
        path,
        is_masked,
        has_install_section=bool(_ENABLING.search(install) or (is_template and _DEFAULT_INSTANCE.search(install))),
        lacks_instance=is_template and not _DEFAULT_INSTANCE.search(install),
    )


def _drop_ins(image: PlannedTree, names: set[str]) -> Iterator[str]:
    for directory in _DIRECTORIES:
        for name in names:
            for file in image.list(f"{directory}/{name}.d"):
                if file.endswith(".conf"):
                    yield image.read_text(f"{directory}/{name}.d/{file}")


def _section(text: str, name: str) -> str:
    """The lines of every section of that name."""
    pieces = _SECTION.split(text)
    return "\n".join(body for title, body in zip(pieces[1::2], pieces[2::2], strict=True) if title == name)


def unit_names(image: PlannedTree) -> frozenset[str]:
    """The names of all units, to look for what a misspelt one was meant to be."""
    names = {name for directory in _DIRECTORIES for name in image.list(directory)}
    scripts = {f"{name}.service" for name in image.list(_SYSV_SCRIPTS)}
    return frozenset(scripts | {name for name in names if name.rpartition(".")[2] in _SUFFIXES})


@dataclass(frozen=True)
class DependencyLink:
    """A link in a directory like multi-user.target.wants, by which `puller` starts a unit."""

    directory: PurePosixPath
    puller: str


def dependency_links(image: PlannedTree, name: str) -> tuple[DependencyLink, ...]:
    """The links that pull the unit in, by the precedence of their directories; those that are masked are left out."""
    entries = {entry for directory in _DIRECTORIES for entry in image.list(directory)}
    found = []
    for entry in sorted(entries):
        stem, dot, kind = entry.rpartition(".")
        if f"{dot}{kind}" in _DEPENDENCY_DIRECTORIES and (directory := _linking(image, entry, name)) is not None:
            found.append(DependencyLink(directory, stem))
    return tuple(found)


def _linking(image: PlannedTree, entry: str, name: str) -> PurePosixPath | None:
    """The directory whose link in ``x.wants`` decides about the unit, unless that link is to /dev/null."""
    for directory in _DIRECTORIES:
        if name in image.list(f"{directory}/{entry}"):
            is_masked = image.link_target(f"{directory}/{entry}/{name}") == "/dev/null"
            return None if is_masked else PurePosixPath(directory, entry)
    return None


def pullers(image: PlannedTree, name: str) -> tuple[str, ...]:
    """The units that start the unit at boot, or on demand in a machine that has booted; each once.

    Those count that are started themselves: followed are links in .wants and .requires, dependencies in unit
    files, and the units of sockets, timers and paths. A D-Bus service that is started on demand has "D-Bus", last.
    """
    found = sorted(puller for puller, pulled in _started_at_boot(image).items() if name in pulled)
    return (*found, "D-Bus") if name in _started_by_dbus(image) else tuple(found)


def _started_by_dbus(image: PlannedTree) -> frozenset[str]:
    texts = (image.read_text(f"{_DBUS_SERVICES}/{file}") for file in image.list(_DBUS_SERVICES))
    named = {name for text in texts for name in _DBUS_ACTIVATED.findall(text)}
    return frozenset(unit.name for name in named if (unit := find_unit(image, name)) is not None)


def _started_at_boot(image: PlannedTree) -> dict[str, frozenset[str]]:
    """Every unit that a boot starts or waits with for a demand, and what each pulls in."""
    names = {entry for directory in _DIRECTORIES for entry in image.list(directory)}
    started: dict[str, frozenset[str]] = {}
    waiting = [unit.name for start in _STARTS if (unit := find_unit(image, start)) is not None]
    while waiting:
        name = waiting.pop()
        if name not in started:
            started[name] = frozenset(_pulled_in(image, name, names))
            waiting += started[name]
    return started


def _pulled_in(image: PlannedTree, name: str, entries: set[str]) -> Iterator[str]:
    """What the unit pulls in, aliases followed; nothing for a unit that is masked or missing."""
    unit = find_unit(image, name)
    if unit is None or unit.is_masked or unit.path is None:
        return
    text = "\n".join((image.read_text(unit.path), *_drop_ins(image, {name, unit.path.name})))
    wanted = {word for line in _DEPENDENCY.findall(text) for word in line.split()}
    stem, _dot, suffix = name.rpartition(".")
    if suffix in _TRIGGERS:
        wanted |= {word for line in _TRIGGERED.findall(text) for word in line.split()} or {f"{stem}.service"}
    for kind in _DEPENDENCY_DIRECTORIES:
        if (entry := f"{name}{kind}") in entries:
            linked = {other for directory in _DIRECTORIES for other in image.list(f"{directory}/{entry}")}
            wanted |= {other for other in linked if _linking(image, entry, other) is not None}
    for other in wanted:
        if "%" not in other and (found := find_unit(image, other)) is not None and not found.is_masked:
            yield found.name


def triggers(image: PlannedTree, name: str) -> tuple[str, ...]:
    """The socket, timer and path units of the same name that can be enabled in the unit's place."""
    stem = name.rpartition(".")[0]
    units = (find_unit(image, f"{stem}.{kind}") for kind in _TRIGGERS)
    return tuple(unit.name for unit in units if unit is not None and unit.has_install_section and unit.name != name)
