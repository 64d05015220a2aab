from __future__ import annotations

import pytest

from verify.machine.patterns import (
    ASKS_FOR_ENTER,
    BAD_PATTERNS,
    EMERGENCY_MODE,
    EMERGENCY_SHELL,
    GRUB_ERROR,
    GRUB_PROMPT,
    INITRD_CORRUPT,
    INITRD_NOT_FOUND,
    KERNEL_OOPS,
    KERNEL_PANIC,
    NO_BOOTABLE_DEVICE,
    NO_ROOT,
    SOFT_LOCKUP,
    BadPattern,
    PatternScanner,
)
from verify.machine.phase import Phase

BAD_LINES = (
    ("[    2.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", Phase.INITRD, KERNEL_PANIC),
    ("[    1.9] ---[ end Kernel panic - not syncing: x ]---", Phase.KERNEL, KERNEL_PANIC),
    ("Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", Phase.KERNEL, NO_ROOT),
    ("[   10.0] Oops: 0000 [#1] PREEMPT SMP NOPTI", Phase.USERSPACE, KERNEL_OOPS),
    ("[   10.0] BUG: kernel NULL pointer dereference, address: 0000000000000008", Phase.LOGIN, KERNEL_OOPS),
    ("[   10.0] kernel BUG at fs/ext4/inode.c:2721!", Phase.LOGIN, KERNEL_OOPS),
    ("[   99.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]", Phase.KERNEL, SOFT_LOCKUP),
    ("[   99.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", Phase.KERNEL, SOFT_LOCKUP),
    ("[  242.0] INFO: task mount:512 blocked for more than 120 seconds.", Phase.USERSPACE, SOFT_LOCKUP),
    (
        "[    1.5] Initramfs unpacking failed: invalid magic at start of compressed archive",
        Phase.KERNEL,
        INITRD_CORRUPT,
    ),
    ('Generating "/run/initramfs/rdsosreport.txt"', Phase.INITRD, EMERGENCY_SHELL),
    ("dracut:/# ", Phase.INITRD, EMERGENCY_SHELL),
    ("[    9.1] dracut: FATAL: No or empty root= argument", Phase.INITRD, EMERGENCY_SHELL),
    ("You are in emergency mode. After logging in, type", Phase.USERSPACE, EMERGENCY_MODE),
    ("Cannot open access to console, the root account is locked.", Phase.USERSPACE, EMERGENCY_MODE),
    ("Press [Enter] to continue", Phase.INITRD, ASKS_FOR_ENTER),
    ("Press Enter to continue.", Phase.USERSPACE, ASKS_FOR_ENTER),
    ("-- Press any key to proceed --", Phase.USERSPACE, ASKS_FOR_ENTER),
    ("error: no such device: MIC_LIVE.", Phase.BOOT_LOADER, GRUB_ERROR),
    ("error: ../../grub-core/kern/fs.c:123:unknown filesystem.", Phase.BOOT_LOADER, GRUB_ERROR),
    ("error: file `/boot/vmlinuz' not found.", Phase.BOOT_LOADER, INITRD_NOT_FOUND),
    ("error: ../../grub-core/fs/fshelp.c:257:file `/boot/initrd.img' not found.", Phase.BOOT_LOADER, INITRD_NOT_FOUND),
    ("error: you need to load the kernel first.", Phase.BOOT_LOADER, INITRD_NOT_FOUND),
    ("grub> ", Phase.BOOT_LOADER, GRUB_PROMPT),
    ("grub rescue> ", Phase.FIRMWARE, GRUB_PROMPT),
    ("No bootable device.", Phase.FIRMWARE, NO_BOOTABLE_DEVICE),
    ("Boot failed: not a bootable disk", Phase.FIRMWARE, NO_BOOTABLE_DEVICE),
    ("BdsDxe: No bootable option or device was found.", Phase.FIRMWARE, NO_BOOTABLE_DEVICE),
    ('BdsDxe: loading Boot0002 "EFI Internal Shell" from Fv(7C)', Phase.FIRMWARE, NO_BOOTABLE_DEVICE),
    ("UEFI Interactive Shell v2.2", Phase.FIRMWARE, NO_BOOTABLE_DEVICE),
    (">>Start PXE over IPv4.", Phase.FIRMWARE, NO_BOOTABLE_DEVICE),
)
GOOD_LINES = (
    ("error: no suitable video mode found.", Phase.BOOT_LOADER),
    ("error: file `/boot/grub/fonts/unicode.pf2' not found.", Phase.BOOT_LOADER),
    ("error: file `/boot/grub/locale/en.mo' not found.", Phase.BOOT_LOADER),
    ("error: this is a service of mine", Phase.USERSPACE),
    ("Press enter to boot the selected OS, `e' to edit the commands", Phase.BOOT_LOADER),
    ("Press Enter to continue reading this message of the day", Phase.LOGIN),
    ("[    0.1] Kernel command line: panic=10 oops=panic", Phase.KERNEL),
    ("[  OK  ] Created slice system-emergency.slice", Phase.USERSPACE),
    ('BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0): Not Found', Phase.FIRMWARE),
    ("[    1.2] ACPI BIOS Error (bug): Could not resolve symbol", Phase.KERNEL),
    ("[    0.0] DEBUG: a kernel with debugging", Phase.KERNEL),
)


@pytest.mark.parametrize(("line", "phase", "pattern"), BAD_LINES)
def test_a_bad_line_is_named(line: str, phase: Phase, pattern: BadPattern) -> None:
    assert PatternScanner().scan(line, phase) is pattern


@pytest.mark.parametrize(("line", "phase"), GOOD_LINES)
def test_a_line_that_only_looks_bad_is_left_alone(line: str, phase: Phase) -> None:
    assert PatternScanner().scan(line, phase) is None


def test_every_pattern_has_a_line_that_shows_it() -> None:
    assert {pattern.name for _, _, pattern in BAD_LINES} == {pattern.name for pattern in BAD_PATTERNS}


def test_half_a_line_is_judged_only_where_a_prompt_waits() -> None:
    scanner = PatternScanner()
    # The rest may be "/fonts/unicode.pf2' not found", which is harmless.
    assert scanner.scan("error: file `/boot/grub", Phase.BOOT_LOADER, ended=False) is None
    assert scanner.scan("Press [Enter] to continue", Phase.INITRD, ended=False) is ASKS_FOR_ENTER


def test_tolerance_ends_with_its_block_and_covers_nothing_else() -> None:
    scanner = PatternScanner()
    with scanner.tolerating(EMERGENCY_MODE):
        assert scanner.scan("You are in emergency mode", Phase.USERSPACE) is None
        assert scanner.scan("grub> ", Phase.BOOT_LOADER) is GRUB_PROMPT
    assert scanner.scan("You are in emergency mode", Phase.USERSPACE) is EMERGENCY_MODE
