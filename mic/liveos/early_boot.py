"""What the customisation put where it is to act from the start, before the rootfs is there: into the initrd.

dracut --no-hostonly, which a live initrd needs, leaves /etc/modprobe.d and /etc/udev/rules.d out (90kernel-modules
and 95udev-rules of dracut 059 and 106): they are this one machine's. That is right for what the image brings, a
70-persistent-net.rules of the machine that it was installed on, say, but wrong for what the configuration puts
there. So those files go in that were made or changed since the image was opened, and no others. dracut's own
configuration and modules need no help, nor does /usr/lib/modprobe.d. /etc/modules-load.d acts after the initrd,
with all modules and all firmware at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from mic.customize.modprobe_config import Wanted, config_files
from mic.customize.planned_tree import PlannedTree
from mic.tree import Tree

_MODPROBE = ("/etc/modprobe.d", ".conf")
_UDEV = ("/etc/udev/rules.d", ".rules")
_UDEV_PROGRAMS = PurePosixPath("/usr/lib/udev")
# RUN+="/usr/bin/x y", RUN{program}, PROGRAM=="x", IMPORT{program}="x" (udev(7)); RUN{builtin} has no program.
_RUNS = re.compile(r'\b(?:RUN(?:\{program\})?|PROGRAM|IMPORT\{program\})\s*[+:]?={1,2}\s*"([^"\s]+)')


@dataclass(frozen=True)
class FileState:
    """A file at one time. Writing it changes that, a new mode or owner alone (chmod -R on all of /etc) does not."""

    path: str
    modification_time_ns: int
    size: int


@dataclass(frozen=True)
class CarriedFiles:
    """Absolute paths: files for the initrd, and the programs that udev rules among them run."""

    files: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


def snapshot(tree: Tree) -> frozenset[FileState]:
    """The files that could act in the initrd, as they are now."""
    return frozenset(
        _state(tree, path)
        for directory, suffix in (_MODPROBE, _UDEV)
        for name in tree.list(directory)
        if name.endswith(suffix) and tree.is_file(path := f"{directory}/{name}")
    )


def _state(tree: Tree, path: str) -> FileState:
    status = tree.stat(path)
    return FileState(path, status.st_mtime_ns, status.st_size)


def carried_files(tree: Tree, before: frozenset[FileState]) -> CarriedFiles:
    """What was made or changed since `before`."""
    files = tuple(sorted(state.path for state in snapshot(tree) - before))
    rules = "\n".join(tree.read_text(path) for path in files if path.endswith(_UDEV[1]))
    named = {str(_UDEV_PROGRAMS / program) for program in _RUNS.findall(rules)}
    return CarriedFiles(files, tuple(sorted(path for path in named if tree.is_file(path))))


def kept_from_loading(tree: Tree, carried: CarriedFiles, modules: frozenset[str]) -> dict[str, str]:
    """Those of the modules that a carried file of modprobe.d keeps from loading, with the file's path."""
    wanted = Wanted(modules, modules)
    return {
        module: str(file.path)
        for file in config_files(PlannedTree(tree))
        if str(file.path) in carried.files
        for module in file.keeps_from_loading(wanted)
    }
