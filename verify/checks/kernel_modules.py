"""Kernel modules: what the medium's rootfs asks for and has, and what the booted kernel has loaded."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from verify.audit.rootfs import DPKG_STATUS
from verify.checks.guest import Guest, in_machine
from verify.checks.modprobe_files import KernelModules, ModprobeRules, names_to_load
from verify.checks.on_medium import Reader, on_medium
from verify.expectations.kernel_modules import ModuleKeptOut, ModuleLoaded, ModulesToLoadExist, kernel_name
from verify.squashfs import RootfsOnMedium
from verify.verdict import HarnessFault, ProductFailure

# In the order of their weight: a file hides those of its name that come later (modules-load.d(5), modprobe.d(5)).
_ETC = "/etc/modules-load.d"
_LOAD_DIRECTORIES = (_ETC, "/usr/local/lib/modules-load.d", "/usr/lib/modules-load.d", "/lib/modules-load.d")
_MODPROBE_DIRECTORIES = ("/etc/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_LISTS = ("modules.dep", "modules.builtin")
_ALIASES = ("modules.alias", "modules.builtin.modinfo")
# A line of "Conffiles:" in dpkg's status: a path and the MD5 of the content that the package brought.
_CONFFILE = re.compile(rf"^ ({_ETC}/\S+) ([0-9a-f]{{32}})", re.MULTILINE)
_SBIN = "PATH=$PATH:/usr/sbin:/sbin"
# Each file with its MD5, its lines moved in by a blank; then what dpkg knows of files there.
_SHOW_FILES = (
    f'for f in {_ETC}/*.conf; do if [ -f "$f" ]; then printf "file "; md5sum "$f"; sed "s/^/ /" "$f"; echo; fi; done; '
    f'if [ -f {DPKG_STATUS} ]; then sed -n "s|^ {_ETC}/|conffile&|p" {DPKG_STATUS}; fi'
)


@dataclass(frozen=True)
class LoadFile:
    """A file below modules-load.d; `brought`: it is a package's own, unchanged."""

    path: str
    names: tuple[str, ...]
    brought: bool

    @classmethod
    def read(cls, path: str, text: str, md5: str, conffiles: Mapping[str, str]) -> LoadFile:
        """`conffiles`: the MD5 of each configuration file that a package brought, by its path."""
        return cls(path, names_to_load(text), conffiles.get(path) == md5 or not path.startswith(f"{_ETC}/"))


@dataclass(frozen=True)
class PresentModules:
    """The modules of the running kernel, as it writes them: those that are loaded, and those that are a part of it."""

    loaded: frozenset[str]
    builtin: frozenset[str]


@on_medium.of(ModuleLoaded)
def to_be_loaded_on_medium(subject: ModuleLoaded, reader: Reader) -> str:
    files = [file for file in _load_files(reader) if subject.name in file.names]
    if not files:
        raise ProductFailure(f"no file of modules-load.d names {subject.name}")
    rules = _rules(reader)
    meant = _meant(reader, subject.name, rules)
    if not meant:
        raise ProductFailure(f"{files[0].path} names {subject.name}, which the kernel does not have")
    if blocked := meant & rules.blacklisted:
        # systemd-modules-load passes over what is in the blacklist; modprobe would not.
        raise ProductFailure(f"{', '.join(sorted(blocked))} is in the blacklist: it is not loaded at boot")
    return f"{files[0].path} names it; the kernel has {', '.join(sorted(meant))}"


@on_medium.of(ModuleKeptOut)
def kept_out_on_medium(subject: ModuleKeptOut, reader: Reader) -> str:
    if subject.name not in _rules(reader).blacklisted:
        raise ProductFailure(f"no file of modprobe.d has {subject.name} in the blacklist")
    return _judge_builtin(subject, _kernel(reader, _LISTS).builtin)


@on_medium.of(ModulesToLoadExist)
def modules_exist_on_medium(subject: ModulesToLoadExist, reader: Reader) -> str:
    files = _load_files(reader)
    wanted = {name for file in files if not file.brought for name in file.names}
    rules = _rules(reader) if wanted else ModprobeRules(frozenset(), ())
    return judge_existing(files, frozenset(name for name in wanted if _meant(reader, name, rules)))


def judge_existing(files: Iterable[LoadFile], there: frozenset[str]) -> str:
    """Raises `ProductFailure` when a name of a file that no package brought is not in `there`."""
    own = [file for file in files if not file.brought]
    missing = [f"{name} ({file.path})" for file in own for name in file.names if name not in there]
    if missing:
        raise ProductFailure(f"the kernel does not have {', '.join(missing)}")
    names = sorted({name for file in own for name in file.names})
    return f"it has {', '.join(names)}" if names else "none is asked for"


def _judge_builtin(subject: ModuleKeptOut, builtin: frozenset[str]) -> str:
    if subject.name in builtin:
        raise ProductFailure(f"{subject.name} is built into the kernel: nothing keeps it out")
    return "in the blacklist"


def _load_files(reader: Reader) -> tuple[LoadFile, ...]:
    rootfs = reader.rootfs()
    paths = _effective(rootfs, _LOAD_DIRECTORIES)
    conffiles: dict[str, str] = {}
    if any(path.startswith(f"{_ETC}/") for path in paths) and rootfs.find(DPKG_STATUS) is not None:
        conffiles = dict(_CONFFILE.findall(reader.text(str(DPKG_STATUS))))
    contents = ((path, rootfs.read(PurePosixPath(path))) for path in paths)
    files = tuple(LoadFile.read(path, data.decode(errors="replace"), _md5(data), conffiles) for path, data in contents)
    shown = "\n".join(f"{file.path}: {' '.join(file.names) or 'names none'}" for file in files)
    reader.notebook.note("read modules-load.d in the squashfs", shown or "no file")
    return files


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _effective(rootfs: RootfsOnMedium, directories: Iterable[str]) -> list[str]:
    """The files that count, in the order of their names; those of the same name in a later directory do not."""
    found: dict[str, PurePosixPath] = {}
    for directory in directories:
        place = rootfs.find(PurePosixPath(directory))
        for path in rootfs.entries if place is not None else ():
            if place is not None and path.parent == place[0] and path.name.endswith(".conf"):
                found.setdefault(path.name, PurePosixPath(directory, path.name))
    # What leads to /dev/null hides the others of its name and is read as nothing.
    files = ((path, rootfs.find(path)) for _, path in sorted(found.items()))
    return [str(path) for path, entry in files if entry is not None and entry[1].kind == "-"]


def _rules(reader: Reader) -> ModprobeRules:
    paths = _effective(reader.rootfs(), _MODPROBE_DIRECTORIES)
    rules = ModprobeRules.parse(reader.rootfs().read_text(path) for path in paths)
    shown = f"{', '.join(paths) or 'no file'}; blacklist: {' '.join(sorted(rules.blacklisted)) or 'empty'}"
    reader.notebook.note("read modprobe.d in the squashfs", shown)
    return rules


def _meant(reader: Reader, name: str, rules: ModprobeRules) -> frozenset[str]:
    # Aliases are a megabyte: they are read only for a name that is no module's.
    return _kernel(reader, _LISTS).meant_by(name, rules) or _kernel(reader, _LISTS + _ALIASES).meant_by(name, rules)


def _kernel(reader: Reader, lists: Iterable[str]) -> KernelModules:
    kernel = reader.audit.live.kernel
    if kernel is None or kernel.version is None:
        raise HarnessFault("which kernel the medium boots is not known: its modules cannot be looked up")
    directory = PurePosixPath("/lib/modules", kernel.version)
    rootfs = reader.rootfs()
    files = {name: rootfs.read_text(str(directory / name)) for name in lists if rootfs.find(directory / name)}
    if "modules.dep" not in files:
        raise ProductFailure(f"the rootfs has no modules of the kernel {kernel.version}")
    return KernelModules.parse(files)


@in_machine.of(ModuleLoaded)
def loaded_in_machine(subject: ModuleLoaded, guest: Guest) -> str:
    present = _present(guest)
    if subject.name in present.loaded | present.builtin:
        return judge_loaded(subject, present, frozenset())
    # 1: it is neither a module nor an alias (modprobe(8)).
    answer = guest.run(f"{_SBIN} modprobe --resolve-alias {shlex.quote(subject.name)}").expect(0, 1)
    guest.run("systemctl status --no-pager --full --lines 20 systemd-modules-load.service")
    return judge_loaded(subject, present, frozenset(map(kernel_name, answer.stdout.split())))


def judge_loaded(subject: ModuleLoaded, present: PresentModules, aliased: frozenset[str]) -> str:
    """`aliased`: the modules that it is an alias of. Raises `ProductFailure` unless all that is meant is there."""
    if subject.name in present.loaded:
        return "loaded"
    if subject.name in present.builtin:
        return "built in"
    if aliased and aliased <= present.loaded | present.builtin:
        return f"an alias of {', '.join(sorted(aliased))}: loaded or built in"
    missing = aliased - present.loaded - present.builtin or {subject.name}
    raise ProductFailure(f"{', '.join(sorted(missing))} is not loaded")


@in_machine.of(ModuleKeptOut)
def kept_out_in_machine(subject: ModuleKeptOut, guest: Guest) -> str:
    # Aliases, thousands of lines, are left out. modprobe's own exit code counts, not that of what filters.
    shown = f"{_SBIN} modprobe --showconfig"
    answer = guest.run(f"{shown} > /dev/null && {shown} | sed -n '/^blacklist /p'").expect(0)
    return judge_kept_out(subject, ModprobeRules.parse([answer.stdout]), _present(guest))


def judge_kept_out(subject: ModuleKeptOut, rules: ModprobeRules, present: PresentModules) -> str:
    """Raises `ProductFailure` unless the module is in the blacklist, and neither loaded nor a part of the kernel."""
    if subject.name not in rules.blacklisted:
        raise ProductFailure(f"modprobe does not have {subject.name} in its blacklist")
    if subject.name in present.loaded:
        raise ProductFailure(f"{subject.name} is in the blacklist and loaded all the same")
    return f"{_judge_builtin(subject, present.builtin)}, not loaded"


@in_machine.of(ModulesToLoadExist)
def modules_exist_in_machine(subject: ModulesToLoadExist, guest: Guest) -> str:
    files = load_files_of(guest.run_as_needed(_SHOW_FILES).expect(0).stdout)
    wanted = sorted({name for file in files if not file.brought for name in file.names})
    if not wanted:
        return judge_existing(files, frozenset())
    # -n: nothing is loaded, it is only looked for; a module that is built in is found too.
    tried = "".join(f"; {_SBIN} modprobe -n -q {shlex.quote(name)} && echo {shlex.quote(name)}" for name in wanted)
    there = guest.run(f"{_SBIN} command -v modprobe > /dev/null || exit 127{tried}; true").expect(0).stdout.split()
    return judge_existing(files, frozenset(there))


def load_files_of(text: str) -> tuple[LoadFile, ...]:
    """The files that `_SHOW_FILES` has shown."""
    lines = text.split("\n")
    conffiles = {fields[1]: fields[2] for line in lines if (fields := line.split())[:1] == ["conffile"]}
    found: list[tuple[str, str, list[str]]] = []
    for line in lines:
        if line.startswith("file "):
            md5, _, path = line.removeprefix("file ").partition("  ")
            found.append((path, md5, []))
        elif line.startswith(" ") and found:
            found[-1][2].append(line[1:])
    return tuple(LoadFile.read(path, "\n".join(content), md5, conffiles) for path, md5, content in found)


def _present(guest: Guest) -> PresentModules:
    # A kernel without modules has no such file; one of its own making has no list of what is built in.
    modules = guest.run("if [ -e /proc/modules ]; then cut -d ' ' -f 1 /proc/modules; fi").expect(0).stdout
    listed = 'f="/lib/modules/$(uname -r)/modules.builtin"; if [ -e "$f" ]; then sed "s|.*/||; s|[.]ko.*||" "$f"; fi'
    builtin = guest.run(listed).expect(0).stdout
    return PresentModules(*(frozenset(map(kernel_name, text.split())) for text in (modules, builtin)))
