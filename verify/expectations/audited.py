"""What the audit of a medium judges: one requirement for each aspect, and that the booted machine agrees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from verify.audit.model import CLOUD_ASPECTS, Aspect, Audit
from verify.expectations.cloud_seed import CloudSeed
from verify.expectations.expectation import Expectation, Place, Subject
from verify.expectations.live import BOOT_SOURCE, FSTAB_SOURCE, SOURCE
from verify.machine.firmware import Firmware


@dataclass(frozen=True)
class AuditedAspect(Subject):
    """The audit looked at this aspect of the medium and found nothing wrong."""

    aspect: Aspect


@dataclass(frozen=True)
class AuditAgrees(Subject):
    """The booted machine shows what the audit read: kernel, command line, squashfs.

    The volume label is `verify.expectations.live.MediumMounted`'s, which has it from the audit too.
    `squashfs_bytes` is the size of the file. None or empty where the audit has no such fact.
    """

    kernel_version: str | None
    arguments: tuple[str, ...]
    squashfs_bytes: int | None


_REQUIREMENTS = {
    Aspect.BOOT_CATALOGUE_BIOS: "The boot catalogue is sound and has an entry for BIOS firmware",
    Aspect.BOOT_CATALOGUE_UEFI: "The boot catalogue is sound and has an entry for UEFI firmware",
    Aspect.EL_TORITO_BIOS: "The boot image for BIOS is whole and knows this medium (boot info table)",
    Aspect.EFI_IMAGE: "The EFI image is a FAT with an x86-64 /EFI/BOOT/BOOTX64.EFI, the same as on the ISO file system",
    Aspect.PARTITION_TABLE: "MBR and GPT are sound: the medium boots from a USB stick too",
    Aspect.VOLUME_LABEL: "One volume label: the medium's own, GRUB's search and root=live:LABEL=",
    Aspect.BOOT_FILES: "grub.cfg names a kernel and an initrd that exist",
    Aspect.KERNEL_MATCHES: "The kernel's own modules are in the initrd and in the rootfs",
    Aspect.INITRD_MODULES: "The initrd has dracut's modules for a live boot",
    Aspect.INITRD_DRIVERS: "The initrd has the drivers for a live boot from CD, USB stick and virtual disks",
    Aspect.LIVE_ARGUMENTS: "The kernel arguments make dracut boot a live system, with a serial console, nothing kept",
    Aspect.SQUASHFS: "The rootfs is a readable squashfs",
    Aspect.SQUASHFS_COMPLETE: "Every block of the squashfs can be read and decompressed",
    Aspect.CHECKSUM: "The medium's own checksum is right",
    Aspect.NO_FSTAB: "The rootfs has no /etc/fstab",
    Aspect.NO_MACHINE_ID: "The rootfs has no machine-id: each machine booted from it makes its own",
    Aspect.CLOUD_USER_DATA: "cloud-init's user-data is valid",
    Aspect.CLOUD_META_DATA: "cloud-init's meta-data is valid",
    Aspect.CLOUD_NETWORK_CONFIG: "cloud-init's network-config is valid",
}
_SOURCES = {Aspect.NO_FSTAB: FSTAB_SOURCE}
_OF_ONE_FIRMWARE = {
    Aspect.BOOT_CATALOGUE_BIOS: Firmware.BIOS,
    Aspect.EL_TORITO_BIOS: Firmware.BIOS,
    Aspect.BOOT_CATALOGUE_UEFI: Firmware.UEFI,
    Aspect.EFI_IMAGE: Firmware.UEFI,
}
# Asked for only where the medium or the configuration has such a thing.
_WHERE_PRESENT = frozenset({Aspect.CHECKSUM}) | CLOUD_ASPECTS


def expected_of_audit(audit: Audit, firmwares: Sequence[Firmware], seed: CloudSeed | None) -> Iterator[Expectation]:
    """One expectation for each aspect that matters for `firmwares`, in the order in which a machine boots.

    An aspect that the configuration's cloud-init seed calls for is expected even if the audit knows nothing
    of it: that itself is then a failure.
    """
    present = audit.judged | _asked_of(seed)
    for aspect in Aspect:
        firmware = _OF_ONE_FIRMWARE.get(aspect)
        if (firmware is not None and firmware not in firmwares) or (aspect in _WHERE_PRESENT and aspect not in present):
            continue
        source = _SOURCES.get(aspect, BOOT_SOURCE if firmware is not None else SOURCE)
        yield Expectation(aspect.value, _REQUIREMENTS[aspect], source, Place.MEDIUM, AuditedAspect(aspect))


def expected_agreement(audit: Audit) -> Expectation:
    """What the booted machine says of itself is what the audit read."""
    kernel, squashfs = audit.live.kernel, audit.live.squashfs
    subject = AuditAgrees(
        kernel_version=None if kernel is None else kernel.version,
        arguments=audit.live.kernel_arguments,
        squashfs_bytes=None if squashfs is None else squashfs.file_bytes,
    )
    requirement = "Kernel, arguments and squashfs are those that the audit read"
    return Expectation("live.audit-agrees", requirement, SOURCE, Place.MACHINE, subject)


def _asked_of(seed: CloudSeed | None) -> frozenset[Aspect]:
    if seed is None:
        return frozenset()
    asked = {
        Aspect.CLOUD_USER_DATA: seed.user_data is not None,
        Aspect.CLOUD_META_DATA: seed.meta_data is not None,
    }
    return frozenset(aspect for aspect, is_asked in asked.items() if is_asked)
