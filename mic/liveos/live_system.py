"""The room's main line: from the rootfs to what boots and runs from the medium."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mic.config import AdditionalFile, SystemConfig
from mic.config.tree import problem_at
from mic.customize.modprobe_config import ADMINISTRATORS, ConfigFile, Wanted, kernel_name
from mic.errors import UserError, UserErrors
from mic.kernel_arguments import KernelArguments
from mic.liveos.dracut import Dracut, find_dracut, live_arguments
from mic.liveos.early_boot import CarriedFiles, FileState, carried_files, kept_from_loading
from mic.liveos.initrd import DRIVERS, ESSENTIAL_DRIVERS, make_initrd
from mic.liveos.squashfs import DROPPED, squashfs_being_written
from mic.progress import Progress
from mic.rootfs.kernel import Kernel, find_kernel
from mic.rootfs.view import Rootfs
from mic.tree import Tree

# systemd mounts these file systems before anything else (file-hierarchy(7)).
_MOUNTED_AT_BOOT = frozenset({"dev", "proc", "run", "sys"})


@dataclass(frozen=True)
class Survey:
    """What the image has to boot live with."""

    kernel: Kernel
    dracut: Dracut
    title: str
    has_selinux: bool


@dataclass(frozen=True)
class LiveSystem:
    """Kernel, initrd and squashfs as files outside the image, and how they are to be started."""

    survey: Survey
    kernel: Path
    initrd: Path
    squashfs: Path

    def arguments(self, volume_label: str, *, selinux_off: bool = False) -> KernelArguments:
        """The arguments that boot this system from the medium with that label.

        SELinux is off where the image is set up for it, and where that is asked for.
        """
        # Labels in the image's squashfs are those of the installed system; what the overlay adds has none,
        # and an enforcing policy would lock the user out.
        selinux = KernelArguments(("selinux=0",)) if selinux_off or self.survey.has_selinux else KernelArguments()
        return live_arguments(self.survey.dracut, volume_label) + selinux


def survey(tree: Tree) -> Survey:
    """Looks for all that a live boot needs; raises one `UserError` for each thing that is missing."""
    dracut = find_dracut(tree)
    kernel = find_kernel(tree)
    _refuse_without_init(tree)
    if kernel.has_option("CONFIG_SQUASHFS") is False:
        raise UserError(f"the image's kernel {kernel.version} was built without squashfs")
    return Survey(kernel, dracut, os_title(tree), has_selinux=tree.is_file("/etc/selinux/config"))


def _refuse_without_init(tree: Tree) -> None:
    """The initrd hands over to one of these: systemd's switch-root tries the first, dracut's own init the last."""
    if not any(tree.is_file(path) for path in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/sbin/init")):
        raise UserError(
            "the image has no init: neither systemd nor a program /sbin/init",
            hint="install the package systemd-sysv in the image",
        )


def check(system: SystemConfig) -> list[UserError]:
    """Files for the rootfs that nobody would see in a live system; modules kept away that a live boot needs."""
    dropped = [
        problem_at(file.position, file.key_path, f"{file.destination} is dropped from a live rootfs")
        for file in system.additional_files
        if str(file.destination).lstrip("/") in DROPPED
    ]
    needed = [
        problem_at(module.position, module.key_path, f"a live boot needs the module {module.name}")
        for module in system.modules.disable
        if kernel_name(module.name) in ESSENTIAL_DRIVERS
    ]
    hidden = [
        problem_at(file.position, file.key_path, f"{file.destination} is hidden at boot, when /{top} is mounted")
        for file in system.additional_files
        if (top := file.destination.parts[1]) in _MOUNTED_AT_BOOT
    ]
    return [*dropped, *hidden, *needed, *_forbidding_files(system.additional_files)]


def _forbidding_files(files: Iterable[AdditionalFile]) -> Iterator[UserError]:
    essential = frozenset(ESSENTIAL_DRIVERS)
    for file in files:
        if file.destination.parent == ADMINISTRATORS and file.destination.suffix == ".conf":
            config = ConfigFile(file.destination, file.source.read_text(errors="surrogateescape"))
            for module in sorted(config.keeps_from_loading(Wanted(essential, essential))):
                message = f"the file keeps the module {module} from loading, which a live boot needs"
                yield problem_at(file.position, file.key_path, message)


def os_title(tree: Tree) -> str:
    """The name of the image's operating system, os-release(5)."""
    text = tree.read_text("/etc/os-release") or tree.read_text("/usr/lib/os-release")
    found = re.search(r'^PRETTY_NAME=(["\']?)(.*)\1$', text, re.MULTILINE)
    return f"{found[2]} (live)" if found else "Linux (live)"


def has_machine_id(tree: Tree) -> bool:
    """Whether the image brings a machine-id of its own; empty and "uninitialized" mean none (machine-id(5))."""
    return tree.read_text("/etc/machine-id").strip() not in ("", "uninitialized")


def make_live_system(
    rootfs: Rootfs, uncustomised: frozenset[FileState], workspace: Path, progress: Progress
) -> LiveSystem:
    """Writes squashfs and initrd of what boots the changed rootfs, side by side; both only read it.

    `uncustomised` is `early_boot.snapshot` of the image before anything was changed.
    """
    found = survey(rootfs.tree)
    carried = _carried_files(rootfs.tree, uncustomised, progress)
    kernel = workspace / "vmlinuz"
    rootfs.tree.copy_out(found.kernel.path, kernel)
    with (
        progress.stage("rootfs to squashfs"),
        squashfs_being_written(rootfs.tree.top, found.kernel, workspace) as squashfs,
        progress.stage("initrd by the image's dracut"),
    ):
        initrd = make_initrd(rootfs.sandbox, found.dracut, found.kernel, carried, workspace)
    return LiveSystem(found, kernel, initrd, squashfs)


def _carried_files(tree: Tree, uncustomised: frozenset[FileState], progress: Progress) -> CarriedFiles:
    """What of the customisation goes into the initrd; raises `UserError` where that would keep it from booting."""
    carried = carried_files(tree, uncustomised)
    if carried.files:
        progress.note(f"in the initrd, too: {', '.join((*carried.files, *carried.programs))}")
    forbidden = kept_from_loading(tree, carried, frozenset(DRIVERS))
    errors = [
        UserError(f"{path} keeps the module {module} from loading, which a live boot needs")
        for module, path in forbidden.items()
        if module in ESSENTIAL_DRIVERS
    ]
    if errors:
        raise UserErrors(errors)
    for module, path in forbidden.items():
        progress.warn(f"{path} keeps {module} from loading: where the medium is to be read by it, it will not boot")
    return carried
