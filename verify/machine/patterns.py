"""What a console shows when a boot has gone wrong, each with the cause in words.

Sources: the messages of Linux (kernel/panic.c, kernel/watchdog.c, init/do_mounts.c), dracut (059 and 106:
dracut-emergency.sh, dmsquash-live-root.sh), systemd (emergency.service, sulogin), GRUB 2.06 and 2.12,
SeaBIOS (boot.c) and EDK II (BdsDxe).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from verify.machine.phase import Phase

# What GRUB can miss and boot all the same: a video mode, a font, a theme, a translation.
_ONLY_LOOKS = r"(no suitable video mode|/fonts/|\.pf2'|/themes/|/locale/|\.mo(\.gz)?')"


@dataclass(frozen=True)
class BadPattern:
    """One kind of bad line.

    `first` and `last` bound the phases in which it counts. After a `fatal` one nothing good can follow, so
    every later wait fails as well. A `prompt` counts before its line has ended. `starvation` says that a
    host without processor time can cause it too.
    """

    name: str
    cause: str
    regex: re.Pattern[str]
    first: Phase = Phase.FIRMWARE
    last: Phase = Phase.LOGIN
    fatal: bool = True
    prompt: bool = False
    starvation: bool = False

    def found_in(self, line: str, phase: Phase) -> bool:
        """Whether `line`, shown in `phase`, is of this kind."""
        return self.first <= phase <= self.last and self.regex.search(line) is not None


KERNEL_PANIC = BadPattern(
    "kernel-panic", "the kernel panicked", re.compile(r"Kernel panic - not syncing|end Kernel panic")
)
NO_ROOT = BadPattern(
    "no-root", "the kernel found no root file system", re.compile(r"VFS: (Cannot open|Unable to mount) root")
)
KERNEL_OOPS = BadPattern(
    "kernel-oops",
    "the kernel reported a fault of its own (oops)",
    re.compile(
        r"\bOops: [0-9a-f]{4}|\bBUG: (?!soft lockup)|kernel BUG at |general protection fault, "
        r"|Unable to handle kernel"
    ),
    fatal=False,
)
SOFT_LOCKUP = BadPattern(
    "soft-lockup",
    "the kernel reported a processor that is stuck",
    re.compile(
        r"BUG: soft lockup|rcu_(sched|preempt).*(self-)?detected (expedited )?stall|hard LOCKUP"
        r"|INFO: task \S+ blocked for more than"
    ),
    fatal=False,
    starvation=True,
)
INITRD_CORRUPT = BadPattern(
    "initrd-corrupt",
    "the kernel could not unpack the initrd",
    re.compile(r"Initramfs unpacking failed|rootfs image is not initramfs"),
    last=Phase.INITRD,
)
EMERGENCY_SHELL = BadPattern(
    "dracut-emergency",
    "the initrd gave up and opened an emergency shell",
    re.compile(
        r"Generating \"/run/initramfs/rdsosreport\.txt\"|^dracut:/#|Entering emergency mode"
        r"|dracut: FATAL:|^\(initramfs\) "
    ),
    prompt=True,
)
EMERGENCY_MODE = BadPattern(
    "emergency-mode",
    "systemd fell back to emergency or rescue mode",
    re.compile(
        r"You are in (emergency|rescue) mode|Cannot open access to console, the root account is locked"
        r"|Give root password for maintenance|Press Enter for (maintenance|system maintenance)"
    ),
    prompt=True,
)
ASKS_FOR_ENTER = BadPattern(
    "asks-for-enter",
    "the boot stopped to ask for a key",
    re.compile(r"[Pp]ress \[?Enter\]? to continue|Press any key to proceed"),
    last=Phase.USERSPACE,  # after a login it may be anybody's words
    prompt=True,
)
GRUB_ERROR = BadPattern(
    "grub-error",
    "GRUB reported an error",
    re.compile(rf"^error: (?!.*{_ONLY_LOOKS})|error: .*(Secure Boot|shim_lock|bad shim signature)"),
    last=Phase.BOOT_LOADER,
)
INITRD_NOT_FOUND = BadPattern(
    "initrd-not-found",
    "the boot loader did not find a file it was to load",
    re.compile(rf"^error: (?!.*{_ONLY_LOOKS}).*file `[^']*' not found|you need to load the kernel first"),
    last=Phase.BOOT_LOADER,
)
GRUB_PROMPT = BadPattern(
    "grub-prompt",
    "GRUB found no configuration and stopped at its prompt",
    re.compile(r"^grub( rescue)?> |Minimal BASH-like line editing is supported"),
    last=Phase.BOOT_LOADER,
    prompt=True,
)
NO_BOOTABLE_DEVICE = BadPattern(
    "no-bootable-device",
    "the firmware found nothing to boot",
    re.compile(
        r"No bootable (device|option)|Boot failed: not a bootable disk|UEFI Interactive Shell|^Shell> "
        r"|BdsDxe: (failed to load|loading) Boot[0-9A-F]{4} \"EFI Internal Shell|>>Start (PXE|HTTP) "
    ),
    last=Phase.FIRMWARE,
    prompt=True,
)

# The more exact name first: the first that fits names the cause.
BAD_PATTERNS: tuple[BadPattern, ...] = (
    NO_ROOT,
    KERNEL_PANIC,
    SOFT_LOCKUP,
    KERNEL_OOPS,
    INITRD_CORRUPT,
    EMERGENCY_SHELL,
    EMERGENCY_MODE,
    ASKS_FOR_ENTER,
    INITRD_NOT_FOUND,
    GRUB_PROMPT,
    GRUB_ERROR,
    NO_BOOTABLE_DEVICE,
)


class PatternScanner:
    """Looks at every line of the console for what must not be there."""

    def __init__(self, patterns: tuple[BadPattern, ...] = BAD_PATTERNS) -> None:
        self._patterns = patterns
        self._tolerated: list[BadPattern] = []

    def scan(self, line: str, phase: Phase, *, ended: bool = True) -> BadPattern | None:
        """The first pattern that `line` shows and nobody tolerates at present.

        A line that has not `ended` is looked at for prompts only: its rest may change what it says.
        """
        for pattern in self._patterns:
            if not ended and not pattern.prompt:
                continue
            if pattern not in self._tolerated and pattern.found_in(line, phase):
                return pattern
        return None

    @contextmanager
    def tolerating(self, *patterns: BadPattern) -> Iterator[None]:
        """Lets `patterns` pass while the block runs."""
        self._tolerated.extend(patterns)
        try:
            yield
        finally:
            for pattern in patterns:
                self._tolerated.remove(pattern)
