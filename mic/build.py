"""The main line: a disk image and a configuration in, a live ISO out."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mic import customize
from mic.config import Config
from mic.customize import PackageSources
from mic.errors import UserError, UserErrors
from mic.image.layout import ImageLayout, open_image
from mic.liveos import early_boot, live_system
from mic.medium import master as medium
from mic.programs import ProgramFailed, require
from mic.progress import Progress
from mic.rootfs.view import Rootfs, open_rootfs

# A live medium has never been seen to be smaller than a tenth of its rootfs; with less room than that, both
# for the squashfs and for the ISO, the run cannot end well.
_LEAST_SHARE_OF_ROOTFS = 10
_PROGRAMS = (
    "mount",
    "mksquashfs",
    "xorriso",
    "implantisomd5",
    "mkfs.fat",
    "mcopy",
    "zstd",
    "sfdisk",
    "blkid",
    "qemu-img",
)


@dataclass(frozen=True)
class BuildRequest:
    """What `mic build` was asked for; the ISO grows as `partial` until it is renamed to `output`."""

    image: Path
    config: Config
    output: Path
    partial: Path
    sources: PackageSources = field(default_factory=PackageSources)


def build(request: BuildRequest, workspace: Path, progress: Progress) -> None:
    """Converts the image. `workspace` is an empty directory that the caller removes.

    Everything that can be known early is checked before the first long step. Raises `UserError`.
    """
    require(*_PROGRAMS)
    with (
        _space_errors(workspace),
        open_image(request.image, workspace) as image,
        open_rootfs(image, workspace) as rootfs,
    ):
        with progress.stage("look into the image and check"):
            found = live_system.survey(rootfs.tree)
            _check(request, rootfs, found, workspace)
            loaders = medium.collect_boot_loaders(image, rootfs, workspace / "loaders")
        progress.note(f"{image.disk.format} image, root on {image.root}, kernel {found.kernel.version}")
        if live_system.has_machine_id(rootfs.tree):
            progress.warn(
                "the image has a machine-id: every machine booted from the medium would have the same, and mic verify "
                "calls that a failure (empty it: truncate --size 0 /etc/machine-id)"
            )
        if altered := request.config.kernel_arguments.altered:
            forms = ", ".join(f"{word} as {shown}" for word, shown in altered.items())
            progress.warn(f"GRUB cannot pass every argument on as it is; /proc/cmdline will show {forms}")
        progress.note(f"UEFI boots by {loaders.efi.origin}, BIOS by {loaders.bios.origin}")
        with progress.stage("customise"):
            uncustomised = early_boot.snapshot(rootfs.tree)
            customize.apply(rootfs, request.config, request.sources, workspace, progress)
            loaders = _boot_loaders_again(request, image, rootfs, workspace)
        system = live_system.make_live_system(rootfs, uncustomised, workspace, progress)
        with progress.stage("write the ISO"):
            label = medium.master(system, loaders, request.config, request.partial, workspace)
            request.partial.replace(request.output)
    progress.note(f"volume label {label}")


def _check(request: BuildRequest, rootfs: Rootfs, found: live_system.Survey, workspace: Path) -> None:
    """Raises every reason at once why this image and this configuration cannot become a medium here."""
    errors = [
        *customize.check(rootfs, request.config, request.sources),
        *live_system.check(request.config.system_config),
        *medium.check(request.config, found),
    ]
    least = rootfs.used_bytes // _LEAST_SHARE_OF_ROOTFS
    for directory in {workspace, request.output.parent}:
        if (free := shutil.disk_usage(directory).free) < least:
            errors.append(
                UserError(
                    f"not enough space: {free >> 20} MiB free, at least {least >> 20} MiB needed",
                    where=directory,
                )
            )
    if errors:
        raise UserErrors(errors)


def _boot_loaders_again(
    request: BuildRequest, image: ImageLayout, rootfs: Rootfs, workspace: Path
) -> medium.BootLoaders:
    """What starts the changed image; raises `UserError` where it no longer has what a live boot needs.

    Packages and scripts may have brought another kernel or another GRUB, or removed the only one.
    """
    try:
        errors = medium.check(request.config, live_system.survey(rootfs.tree))
        loaders = medium.collect_boot_loaders(image, rootfs, workspace / "loaders-again")
    except UserError as error:
        raise UserError(f"after the customisations, {error.message}", where=error.where, hint=error.hint) from error
    if errors:
        raise UserErrors(errors)
    return loaders


@contextmanager
def _space_errors(workspace: Path) -> Iterator[None]:
    """Turns a full disk, wherever it is met, into a sentence for the user."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError("no space left", where=error.filename or workspace) from error
    except (ProgramFailed, UserError) as error:
        failed = error if isinstance(error, ProgramFailed) else error.__cause__
        if not isinstance(failed, ProgramFailed) or not _met_a_full_disk(failed):
            raise
        raise UserError(f"no space left ({failed.completed.program})", where=workspace) from error


def _met_a_full_disk(failed: ProgramFailed) -> bool:
    output = failed.completed.stdout + failed.completed.stderr
    return b"No space left on device" in output or b"Disk quota exceeded" in output
