from __future__ import annotations

import pytest

from mic.errors import UserError
from verify.machine.patterns import (
    ASKS_FOR_ENTER,
    BAD_PATTERNS,
    EMERGENCY_MODE,
    EMERGENCY_SHELL,
    FIRMWARE_EXCEPTION,
    GRUB_ERROR,
    GRUB_PROMPT,
    INITRD_CORRUPT,
    INITRD_NOT_FOUND,
    KERNEL_OOPS,
    KERNEL_PANIC,
    NO_BOOTABLE_DEVICE,
    NO_ROOT,
    NO_TIMER,
    OUT_OF_MEMORY,
    SOFT_LOCKUP,
    SQUASHFS_ERROR,
    SYSTEMD_FROZE,
    BadPattern,
    PatternScanner,
    pattern_named,
)
from verify.machine.phase import Phase

BAD_LINES = (
    ("[    2.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", Phase.INITRD, KERNEL_PANIC),
    ("[    1.9] ---[ end Kernel panic - not syncing: x ]---", Phase.KERNEL, KERNEL_PANIC),
    ("[    0.0] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with", Phase.KERNEL, NO_TIMER),
    ("Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", Phase.KERNEL, NO_ROOT),
    ("[   10.0] Oops: 0000 [#1] PREEMPT SMP NOPTI", Phase.USERSPACE, KERNEL_OOPS),
    ("[   10.0] BUG: kernel NULL pointer dereference, address: 0000000000000008", Phase.LOGIN, KERNEL_OOPS),
    ("[   10.0] kernel BUG at fs/ext4/inode.c:2721!", Phase.LOGIN, KERNEL_OOPS),
    (
        "[   10.0] Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP",
        Phase.LOGIN,
        KERNEL_OOPS,
    ),
    ("[   10.0] invalid opcode: 0000 [#1] PREEMPT SMP", Phase.KERNEL, KERNEL_OOPS),
    ("[   30.0] Out of memory: Killed process 412 (python3) total-vm:91204kB", Phase.USERSPACE, OUT_OF_MEMORY),
    ("[    8.0] SQUASHFS error: zstd decompression error: 20", Phase.INITRD, SQUASHFS_ERROR),
    ("[    8.0] SQUASHFS error: Failed to read block 0x8f3c1e: -5", Phase.LOGIN, SQUASHFS_ERROR),
    ("[    8.0] SQUASHFS error: Unable to read fragment cache entry [8f3c1e]", Phase.LOGIN, SQUASHFS_ERROR),
    ("[  199.3] dracut-initqueue[377]: Warning: Could not boot.", Phase.INITRD, EMERGENCY_SHELL),
    ("[    9.1] dracut: Refusing to continue", Phase.INITRD, EMERGENCY_SHELL),
    ("ALERT!  UUID=0815 does not exist.  Dropping to a shell!", Phase.INITRD, EMERGENCY_SHELL),
    ("[   14.2] systemd[1]: Freezing execution.", Phase.SWITCH_ROOT, SYSTEMD_FROZE),
    ("[!!!!!!] Failed to isolate default target, freezing.", Phase.USERSPACE, SYSTEMD_FROZE),
    (
        "!!!! X64 Exception Type - 0E(#PF - Page-Fault)  CPU Apic ID - 00000000 !!!!",
        Phase.BOOT_LOADER,
        FIRMWARE_EXCEPTION,
    ),
    ("Aborted. Press any key to exit.", Phase.BOOT_LOADER, FIRMWARE_EXCEPTION),
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
    ("[    3.0] SQUASHFS error: Can't find a SQUASHFS superblock on sr0", Phase.INITRD),
    ("Memory cgroup out of memory: Killed process 99 (hog)", Phase.LOGIN),
    ("Press any key to continue...", Phase.BOOT_LOADER),  # after a harmless error; GRUB goes on after 10 s
    ("[  130.1] dracut-initqueue[377]: Warning: dracut-initqueue: starting timeout scripts", Phase.INITRD),
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


def test_what_is_tolerated_for_good_passes_and_is_remembered() -> None:
    scanner = PatternScanner(tolerated=(KERNEL_OOPS,))
    line = "[   10.0] BUG: kernel NULL pointer dereference, address: 0000000000000008"
    assert scanner.scan(line, Phase.LOGIN) is None
    assert scanner.scan("grub> ", Phase.BOOT_LOADER) is GRUB_PROMPT
    assert scanner.seen == {KERNEL_OOPS: line, GRUB_PROMPT: "grub> "}


def test_a_line_of_two_patterns_shows_both() -> None:
    scanner = PatternScanner()
    line = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
    assert scanner.scan(line, Phase.KERNEL) is NO_ROOT
    assert set(scanner.seen) == {NO_ROOT, KERNEL_PANIC}


def test_a_pattern_is_found_by_its_name_and_a_misspelt_one_is_the_users_to_mend() -> None:
    assert all(pattern_named(pattern.name) is pattern for pattern in BAD_PATTERNS)
    with pytest.raises(UserError, match=r"no pattern kernel-panik \(did you mean kernel-panic\?\)"):
        pattern_named("kernel-panik")
    with pytest.raises(UserError, match="known: asks-for-enter, "):
        pattern_named("zzz")
