"""Kernel modules: loaded at boot by systemd-modules-load, or kept from loading by their own devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from mic.config import Config, Named
from mic.config.suggestion import near
from mic.config.tree import problem_at
from mic.customize.modprobe_config import ADMINISTRATORS, Wanted, config_files, kernel_name
from mic.customize.planned_tree import PlannedTree
from mic.errors import UserError, UserErrors
from mic.progress import Progress
from mic.rootfs.kernel import Kernel, find_kernel
from mic.tree import Tree

LOADED = PurePosixPath("/etc/modules-load.d/mic.conf")
DISABLED = ADMINISTRATORS / "mic.conf"
_ALIAS = re.compile(r"^alias (\S+) (\S+)$", re.MULTILINE)
_DEPENDENCIES = re.compile(r"^(?:\S*/)?([^/\s:]+?)\.ko(?:\.\w+)?:(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class KernelModules:
    """The modules of the kernel that will boot. Names are the kernel's, with underscores."""

    kernel: Kernel
    aliases: tuple[tuple[str, str], ...]
    dependencies: dict[str, frozenset[str]]

    @classmethod
    def of(cls, rootfs: Tree) -> KernelModules:
        """Raises `UserError` where the image has no kernel."""
        kernel = find_kernel(rootfs)
        listing = rootfs.read_text(f"{kernel.directory}/modules.dep")
        return cls(
            kernel,
            tuple(_ALIAS.findall(rootfs.read_text(f"{kernel.directory}/modules.alias"))),
            {kernel_name(name): _module_names(needed) for name, needed in _DEPENDENCIES.findall(listing)},
        )

    def meant_by(self, name: str) -> frozenset[str]:
        """The modules that `name` loads: itself, or those that have it as an alias. Empty: unknown."""
        module = kernel_name(name)
        if self.kernel.has_driver(module):
            return frozenset((module,))
        return frozenset(kernel_name(m) for pattern, m in self.aliases if fnmatchcase(name, pattern))

    def wanted(self, names: Iterable[str]) -> Wanted:
        """What loading those names loads; modules.dep lists dependencies of dependencies, too."""
        named = frozenset(module for name in names for module in self.meant_by(name))
        return Wanted(named, named.union(*(self.dependencies.get(module, ()) for module in named)))


def _module_names(paths: str) -> frozenset[str]:
    return frozenset(kernel_name(path.rpartition("/")[2].partition(".ko")[0]) for path in paths.split())


def check(rootfs: Tree, config: Config) -> list[UserError]:
    """Modules that cannot be loaded or disabled; one that only packages to come may bring is not an error yet."""
    modules = config.system_config.modules
    if not (modules.load or modules.disable):
        return []
    image = PlannedTree(rootfs, config.system_config.additional_files)
    return list(_problems(image, config, may_come=config.system_config.packages.may_bring_more))


def _problems(image: PlannedTree, config: Config, *, may_come: bool) -> Iterator[UserError]:
    known, modules = KernelModules.of(image.tree), config.system_config.modules
    for module in modules.load:
        meant = known.meant_by(module.name)
        if not meant and not may_come:
            message = f"the kernel {known.kernel.version} has no module {module.name}"
            yield problem_at(module.position, module.key_path, message, _suggestion(known, module.name))
        yield from _contradicting_files(image, module, known.wanted([module.name]))
    for module in modules.disable:
        yield from _why_not_disabled(known, module, modules.load)


def _suggestion(known: KernelModules, name: str) -> str | None:
    meant = near(name, known.kernel.modules | known.kernel.builtin)
    return f"did you mean {meant}?" if meant else None


def _contradicting_files(image: PlannedTree, module: Named, wanted: Wanted) -> Iterator[UserError]:
    for file in config_files(image):
        if image.added(file.path) is not None and file.keeps_from_loading(wanted):
            message = f"{file.path}, which AdditionalFiles brings, keeps {module.name} from loading"
            yield problem_at(module.position, module.key_path, message)


def _why_not_disabled(known: KernelModules, module: Named, loaded: Iterable[Named]) -> Iterator[UserError]:
    name = kernel_name(module.name)
    if name in known.kernel.builtin:
        message = f"{module.name} is built into the kernel {known.kernel.version} and cannot be disabled"
        yield problem_at(module.position, module.key_path, message)
    for other in loaded:
        wanted = known.wanted([other.name])
        if name in wanted.with_needed - wanted.named:
            message = f"{other.name}, which is in Load, needs {module.name}"
            yield problem_at(module.position, module.key_path, message)


def apply(rootfs: Tree, config: Config, progress: Progress) -> None:
    """Writes the two files; entries of the image that would keep a module from loading give way."""
    modules = config.system_config.modules
    if not (modules.load or modules.disable):
        return
    image, known = PlannedTree(rootfs), KernelModules.of(rootfs)
    # Files that AdditionalFiles brought were checked against Load before they were copied.
    if errors := list(_problems(image, config, may_come=False)):
        raise UserErrors(errors)
    for module in modules.disable:
        if not known.meant_by(module.name):
            meant = _suggestion(known, module.name)
            progress.warn(
                f"{module.key_path}: the kernel {known.kernel.version} has no module {module.name}"
                + (f" ({meant})" if meant else "")
            )
    if modules.load:
        _allow(rootfs, known.wanted(module.name for module in modules.load), progress)
        _add_lines(rootfs, LOADED, [module.name for module in modules.load])
    if modules.disable:
        _add_lines(rootfs, DISABLED, [f"blacklist {module.name}" for module in modules.disable])


def _allow(rootfs: Tree, wanted: Wanted, progress: Progress) -> None:
    """Makes comments of the lines that keep the modules from loading: systemd-modules-load heeds them.

    (KMOD_PROBE_APPLY_BLACKLIST in systemd's src/shared/module-util.c.) A file of a package, in /usr/lib, is
    hidden by a changed copy in /etc.
    """
    for file in list(config_files(PlannedTree(rootfs))):
        if found := file.keeps_from_loading(wanted):
            path = ADMINISTRATORS / file.path.name
            rootfs.write(path, file.allowing(wanted).encode(errors="surrogateescape"))
            where = f"in {path}" if path == file.path else f"in {path}, which now hides {file.path}"
            progress.note(f"{', '.join(sorted(found))} may load again: {where} the lines against it are comments now")


def _add_lines(rootfs: Tree, path: PurePosixPath, lines: Iterable[str]) -> None:
    """Adds the lines that a file lacks; makes the file where there is none."""
    before = rootfs.read_text(path)
    if before and not before.endswith("\n"):
        before += "\n"
    missing = [line for line in dict.fromkeys(lines) if line not in before.splitlines()]
    rootfs.write(path, (before + "".join(f"{line}\n" for line in missing)).encode(errors="surrogateescape"))
