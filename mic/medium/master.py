"""The room's main line: everything together onto one ISO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mic.config import Config, SELinuxMode
from mic.errors import UserError
from mic.image.layout import ImageLayout
from mic.kernel_arguments import MAX_COMMAND_LINE_BYTES, KernelArguments
from mic.liveos.live_system import LiveSystem, Survey
from mic.medium import additional_files, paths
from mic.medium.boot_loaders import BiosLoaders, EfiLoaders, collect_efi_loaders, make_bios_loaders
from mic.medium.efi_image import efi_tree, make_efi_image
from mic.medium.grub_cfg import CONSOLES, grub_cfg, stub_grub_cfg
from mic.medium.iso import LABEL_PREFIX, MediumContent, volume_label_for, write_iso
from mic.rootfs.view import Rootfs


@dataclass(frozen=True)
class BootLoaders:
    """What starts the medium under either firmware."""

    efi: EfiLoaders
    bios: BiosLoaders


def collect_boot_loaders(image: ImageLayout, rootfs: Rootfs, workspace: Path) -> BootLoaders:
    """Raises `UserError` when the image has no loader for UEFI, or nobody has one for BIOS."""
    return BootLoaders(
        collect_efi_loaders(image, rootfs.tree, workspace),
        make_bios_loaders(rootfs.tree, rootfs.sandbox, workspace),
    )


def check(config: Config, found: Survey) -> list[UserError]:
    """What the medium cannot carry: colliding files, a command line that is too long."""
    errors = additional_files.check(config.iso.additional_files)
    placeholder = Path()
    system = LiveSystem(found, placeholder, placeholder, placeholder)
    label = f"{LABEL_PREFIX}{'0' * 8}"
    line = f"BOOT_IMAGE={paths.KERNEL} {kernel_arguments(system, label, config).shown}"
    if (length := len(line.encode())) > MAX_COMMAND_LINE_BYTES:
        message = f"the kernel command line would be {length} bytes long, the kernel takes {MAX_COMMAND_LINE_BYTES}"
        errors.append(config.problem("Iso.KernelCommandLine", message, "shorten it"))
    return errors


def kernel_arguments(system: LiveSystem, label: str, config: Config) -> KernelArguments:
    """The whole command line; the user's arguments come last, so that they win where the last one does."""
    selinux_off = config.system_config.kernel_command_line.selinux is SELinuxMode.DISABLED
    return system.arguments(label, selinux_off=selinux_off) + CONSOLES + config.kernel_arguments


def master(system: LiveSystem, loaders: BootLoaders, config: Config, partial: Path, workspace: Path) -> str:
    """Writes the ISO to `partial` and returns its volume label."""
    files = {
        paths.KERNEL: system.kernel,
        paths.INITRD: system.initrd,
        paths.SQUASHFS: system.squashfs,
        paths.EL_TORITO_BIOS: loaders.bios.el_torito,
        **additional_files.stage(config.iso.additional_files, workspace / "additional-files"),
    }
    label = volume_label_for(*files.values(), text=config.kernel_arguments.shown)
    efi = efi_tree(loaders.efi, stub_grub_cfg(label), workspace / "efi")
    # On the ISO file system too: tools that write USB sticks file by file copy the loaders from there.
    for path in efi.rglob("*"):
        if path.is_file():
            files[PurePosixPath("/", path.relative_to(efi))] = path
    files[paths.GRUB_CFG] = workspace / "grub.cfg"
    arguments = kernel_arguments(system, label, config)
    files[paths.GRUB_CFG].write_text(grub_cfg(system.survey.title, label, arguments))
    efi_image = make_efi_image(efi, workspace / "efi.img")
    write_iso(MediumContent(label, files, loaders.bios.master_boot_record, efi_image), partial)
    return label
