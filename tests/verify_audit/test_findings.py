"""Each thing that can be wrong with a medium is found, named, and nothing else is called wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.verify.small_medium import (
    LABEL,
    VERSION,
    SmallMedium,
    cpio,
    efi_program,
    initrd,
    initrd_files,
    kernel,
    stub,
)
from tests.verify_audit.conftest import Audited, aspects_found, texts_on
from verify.audit import Aspect
from verify.machine.firmware import Firmware

BOTH = frozenset(Firmware)
UEFI, BIOS = frozenset({Firmware.UEFI}), frozenset({Firmware.BIOS})
NONE = frozenset[Firmware]()
Change = Callable[[SmallMedium], SmallMedium]


def with_file(name: str, content: str | bytes | None) -> Change:
    def change(medium: SmallMedium) -> SmallMedium:
        medium.files.pop(name, None)
        if content is not None:
            medium.files[name] = content
        return medium

    return change


def with_rootfs(name: str, content: str | None) -> Change:
    def change(medium: SmallMedium) -> SmallMedium:
        medium.rootfs.pop(name, None)
        if content is not None:
            medium.rootfs[name] = content
        return medium

    return change


def with_efi(name: str, content: bytes | None) -> Change:
    def change(medium: SmallMedium) -> SmallMedium:
        medium.efi.pop(name, None)
        if content is not None:
            medium.efi[name] = content
        return medium

    return change


def with_fields(**fields: object) -> Change:
    return lambda medium: replace(medium, **fields)  # type: ignore[arg-type]


def without(name: str) -> dict[str, bytes]:
    return {path: content for path, content in initrd_files().items() if name not in path}


INITRD, KERNEL = "boot/initrd.img", "boot/vmlinuz"
LOADER = "EFI/BOOT/BOOTX64.EFI"
LIVE = "rd.live.image console=ttyS0"
USER_DATA, META_DATA, NETWORK = (f"cloud-init-data/{name}" for name in ("user-data", "meta-data", "network-config"))


def test_good_medium_has_no_findings_and_everything_was_looked_at(audited: Audited) -> None:
    audit = audited(SmallMedium())
    assert audit.findings == ()
    assert audit.unjudged == ()
    assert audit.judged == frozenset(Aspect)


@pytest.mark.parametrize(
    ("change", "aspect", "text", "fatal"),
    [
        (with_fields(firmwares=("uefi",)), Aspect.BOOT_CATALOGUE_BIOS, "no bootable entry for bios", BIOS),
        (with_fields(firmwares=("bios",)), Aspect.BOOT_CATALOGUE_UEFI, "no bootable entry for uefi", UEFI),
        (with_fields(boot_info_table=False), Aspect.EL_TORITO_BIOS, "boot info table", BIOS),
        (with_efi(LOADER, None), Aspect.EFI_IMAGE, "has no /EFI/BOOT/BOOTX64.EFI", UEFI),
        (with_efi(LOADER, b"MZ" * 512), Aspect.EFI_IMAGE, "no PE program", UEFI),
        (with_efi(LOADER, efi_program(0xAA64)), Aspect.EFI_IMAGE, "for aarch64", UEFI),
        (with_efi(LOADER, efi_program()[:900]), Aspect.EFI_IMAGE, "cut short", UEFI),
        (with_efi("EFI/BOOT/grubx64.efi", b"x"), Aspect.EFI_IMAGE, "grubx64.efi of the EFI image is no PE", NONE),
        (with_file(LOADER, efi_program() + b"x"), Aspect.EFI_IMAGE, "differs from", NONE),
        (with_fields(searched="OTHER"), Aspect.VOLUME_LABEL, "ISO /boot/grub/grub.cfg has OTHER", NONE),
        (with_efi("EFI/BOOT/grub.cfg", stub("OTHER").encode()), Aspect.VOLUME_LABEL, "EFI image .* has OTHER", UEFI),
        (with_fields(root="root=live:LABEL=OTHER"), Aspect.VOLUME_LABEL, "root=live:LABEL= has OTHER", BOTH),
        (with_fields(root="root=live:/dev/sr0"), Aspect.VOLUME_LABEL, "no root=live:LABEL=", NONE),
        (with_file(KERNEL, None), Aspect.BOOT_FILES, "no file /boot/vmlinuz", BOTH),
        (with_file(KERNEL, b""), Aspect.BOOT_FILES, "/boot/vmlinuz is empty", BOTH),
        (with_file(KERNEL, b"kernel" * 500), Aspect.BOOT_FILES, "no x86 Linux kernel", BOTH),
        (with_file(KERNEL, kernel()[:-1]), Aspect.BOOT_FILES, "vmlinuz is cut short", BOTH),
        (with_file(INITRD, None), Aspect.BOOT_FILES, "no file /boot/initrd.img", BOTH),
        (with_file(INITRD, initrd()[:-10]), Aspect.BOOT_FILES, "cannot be unpacked", BOTH),
        (with_file(INITRD, b"initrd" * 500), Aspect.BOOT_FILES, "neither a cpio archive", BOTH),
        (with_file(INITRD, cpio(initrd_files())[:-200]), Aspect.BOOT_FILES, "initrd is", BOTH),
        (with_file(INITRD, bytes(4096)), Aspect.BOOT_FILES, "initrd is empty", BOTH),
        (with_file(KERNEL, kernel("6.1.1")), Aspect.KERNEL_MATCHES, "initrd has no modules for the kernel 6.1.1", BOTH),
        (with_file(INITRD, initrd(initrd_files("6.1.1"))), Aspect.KERNEL_MATCHES, f"no modules for .*{VERSION}", BOTH),
        (with_rootfs(f"lib/modules/{VERSION}/modules.dep", None), Aspect.KERNEL_MATCHES, "rootfs has no modules", NONE),
        (
            with_file(INITRD, initrd(initrd_files() | {"usr/lib/dracut/modules.txt": b"systemd\n"})),
            Aspect.INITRD_MODULES,
            "lacks dracut's module dmsquash-live",
            BOTH,
        ),
        (with_file(INITRD, initrd(without("modules.txt"))), Aspect.INITRD_MODULES, "not made by dracut", NONE),
        (with_file(INITRD, initrd(without("dmsquash-live-root"))), Aspect.INITRD_MODULES, "dmsquash-live-root", BOTH),
        (with_file(INITRD, initrd(without("overlay.ko"))), Aspect.INITRD_DRIVERS, "lacks overlay", BOTH),
        (with_file(INITRD, initrd(without("/squashfs.ko"))), Aspect.INITRD_DRIVERS, "lacks squashfs", BOTH),
        (with_file(INITRD, initrd(without("sr_mod"))), Aspect.INITRD_DRIVERS, "lacks sr_mod, which the kernel", NONE),
        (with_rootfs(f"lib/modules/{VERSION}/modules.builtin", "kernel/x.ko\n"), None, "", NONE),
        (with_fields(live="rd.live.overlay.overlayfs=1 console=ttyS0"), Aspect.LIVE_ARGUMENTS, "lack rd.live.im", NONE),
        (with_fields(live="rd.live.image rd.live.overlay.overlayfs=1"), Aspect.LIVE_ARGUMENTS, "no console=ttyS", NONE),
        (with_fields(live=LIVE), Aspect.LIVE_ARGUMENTS, "needs rd.live.overlay.overlayfs=1", NONE),
        (with_fields(live=f"{LIVE} rd.live.overlay.overlayfs=0"), Aspect.LIVE_ARGUMENTS, "needs rd.live.overlay", NONE),
        (
            with_fields(live=f"{LIVE} rd.live.overlay.overlayfs=1 rd.live.overlay=/dev/vda"),
            Aspect.LIVE_ARGUMENTS,
            "rd.live.overlay=/dev/vda asks for an overlay that is kept",
            NONE,
        ),
        (
            with_fields(live=f"{LIVE} rd.live.overlay.overlayfs=1 root=/dev/vda2"),
            Aspect.LIVE_ARGUMENTS,
            "root=/dev/vda2, which is no live root",
            BOTH,
        ),
        (with_fields(live=f"{LIVE} rd.live.overlay.overlayfs=1 rd.live.dir=Other"), Aspect.SQUASHFS, "no file", BOTH),
        (with_rootfs("etc/fstab", "/dev/sda1 / ext4\n"), Aspect.NO_FSTAB, "the rootfs has /etc/fstab", NONE),
        (with_fields(links={"etc/fstab": "/nowhere"}), Aspect.NO_FSTAB, "a link to /nowhere", NONE),
        (with_rootfs("etc/machine-id", "0" * 31 + "1\n"), Aspect.NO_MACHINE_ID, "machine-id in /etc/machine-id", NONE),
        (with_rootfs("var/lib/dbus/machine-id", "0" * 31 + "1\n"), Aspect.NO_MACHINE_ID, "/var/lib/dbus", NONE),
        (with_file(USER_DATA, "#cloud-config\nusers: [\n"), Aspect.CLOUD_USER_DATA, "line 3.*no YAML", NONE),
        (with_file(USER_DATA, "users: []\n"), Aspect.CLOUD_USER_DATA, "no header that cloud-init knows", NONE),
        (with_file(META_DATA, "local-hostname: x\n"), Aspect.CLOUD_META_DATA, "no instance-id", NONE),
        (with_file(META_DATA, "- a\n"), Aspect.CLOUD_META_DATA, "no YAML mapping", NONE),
        (with_file(META_DATA, None), Aspect.CLOUD_META_DATA, "which has no meta-data", NONE),
        (with_file(NETWORK, "version: 3\n"), Aspect.CLOUD_NETWORK_CONFIG, "no version 1 or 2", NONE),
    ],
)
def test_what_is_wrong_is_found_and_what_it_stops_is_known(
    audited: Audited, change: Change, aspect: Aspect | None, text: str, fatal: frozenset[Firmware]
) -> None:
    audit = audited(change(SmallMedium()))
    assert aspects_found(audit) == ({aspect} if aspect else set()), audit.findings
    if aspect is not None:
        assert any(finding.fatal_for == fatal for finding in audit.findings_on(aspect)), audit.findings
        assert re.search(text, texts_on(audit, aspect)), audit.findings


def test_label_is_the_one_that_the_medium_carries(audited: Audited) -> None:
    audit = audited(SmallMedium(label="OTHER"))
    assert aspects_found(audit) == {Aspect.VOLUME_LABEL}
    assert LABEL in texts_on(audit, Aspect.VOLUME_LABEL)
    assert audit.fatal_for(Firmware.BIOS)
    assert audit.fatal_for(Firmware.UEFI)
