"""The room's main line: from the rootfs to what boots and runs from the medium."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mic.config import AdditionalFile
from mic.config.tree import problem_at
from mic.errors import UserError
from mic.kernel_arguments import KernelArguments
from mic.liveos.dracut import Dracut, find_dracut, live_arguments
from mic.liveos.initrd import make_initrd
from mic.liveos.kernel import Kernel, find_kernel
from mic.liveos.squashfs import DROPPED, squashfs_being_written
from mic.progress import Progress
from mic.rootfs.view import Rootfs
from mic.tree import Tree


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

    def arguments(self, volume_label: str) -> KernelArguments:
        """The arguments that boot this system from the medium with that label."""
        # Labels in the image's squashfs are those of the installed system; what the overlay adds has none,
        # and an enforcing policy would lock the user out.
        selinux = KernelArguments(("selinux=0",)) if self.survey.has_selinux else KernelArguments()
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


def check(files: Iterable[AdditionalFile]) -> list[UserError]:
    """Files for the rootfs that a live rootfs does not have."""
    return [
        problem_at(file.position, file.key_path, f"{file.destination} is dropped from a live rootfs")
        for file in files
        if str(file.destination).lstrip("/") in DROPPED
    ]


def os_title(tree: Tree) -> str:
    """The name of the image's operating system, os-release(5)."""
    text = tree.read_text("/etc/os-release") or tree.read_text("/usr/lib/os-release")
    found = re.search(r'^PRETTY_NAME=(["\']?)(.*)\1$', text, re.MULTILINE)
    return f"{found[2]} (live)" if found else "Linux (live)"


def has_machine_id(tree: Tree) -> bool:
    """Whether the image brings a machine-id of its own; empty and "uninitialized" mean none (machine-id(5))."""
    return tree.read_text("/etc/machine-id").strip() not in ("", "uninitialized")


def make_live_system(rootfs: Rootfs, found: Survey, workspace: Path, progress: Progress) -> LiveSystem:
    """Writes squashfs and initrd side by side; both only read the rootfs.

    `found` is from before the customisation, which may have changed what there is to boot with.
    """
    found = survey(rootfs.tree)
    kernel = workspace / "vmlinuz"
    rootfs.tree.copy_out(found.kernel.path, kernel)
    with (
        progress.stage("rootfs to squashfs"),
        squashfs_being_written(rootfs.tree.top, found.kernel, workspace) as squashfs,
        progress.stage("initrd by the image's dracut"),
    ):
        initrd = make_initrd(rootfs.sandbox, found.dracut, found.kernel, workspace)
    return LiveSystem(found, kernel, initrd, squashfs)
