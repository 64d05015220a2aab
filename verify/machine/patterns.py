"""What a console shows when a boot has gone wrong, each with the cause in words.

Sources: the messages of Linux (kernel/panic.c, kernel/watchdog.c, init/do_mounts.c), dracut (059 and 106:
dracut-emergency.sh, dmsquash-live-root.sh), systemd (emergency.service, sulogin), GRUB 2.06 and 2.12,
SeaBIOS (boot.c) and EDK II (BdsDxe).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from mic.config.suggestion import near
from mic.errors import UserError
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
# The kernel counts ticks of its timer while it waits in a loop that it has calibrated (timer_irq_works in
# arch/x86/kernel/apic/io_apic.c): where the host does not run the emulated timer meanwhile, there are none.
NO_TIMER = BadPattern(
    "no-timer",
    "the kernel got no ticks of its timer",
    re.compile(r"Kernel panic - not syncing: IO-APIC \+ timer doesn't work"),
    last=Phase.KERNEL,
    starvation=True,
)
NO_ROOT = BadPattern(
    "no-root", "the kernel found no root file system", re.compile(r"VFS: (Cannot open|Unable to mount) root")
)
KERNEL_OOPS = BadPattern(
    "kernel-oops",
    "the kernel reported a fault of its own (oops)",
    re.compile(
        r"\bOops: [0-9a-f]{4}|[:,] [0-9a-f]{4} \[#\d+\]|\bBUG: (?!soft lockup)|kernel BUG at "
        r"|general protection fault, |Unable to handle kernel"
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
OUT_OF_MEMORY = BadPattern(
    "out-of-memory",
    "the kernel ran out of memory and killed a process",
    re.compile(r"Out of memory: Killed process \d+"),
    fatal=False,
)
SQUASHFS_ERROR = BadPattern(
    "squashfs-error",
    "the kernel cannot read the squashfs",
    # Not "Can't find a SQUASHFS superblock": a mount that only tries says so too.
    re.compile(r"SQUASHFS error: (Failed to read block|[Uu]nable to read|\S+ decompression)|data probably corrupt"),
    fatal=False,
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
        r"|dracut: (FATAL:|Refusing to continue)|Warning: Could not boot\.|^\(initramfs\) |ALERT! .* does not exist"
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
SYSTEMD_FROZE = BadPattern(
    "systemd-froze",
    "systemd, as process 1, gave up",
    re.compile(r"systemd\[1\]: (Freezing execution|Failed to switch root)|\[!!!!!!\]"),
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
FIRMWARE_EXCEPTION = BadPattern(
    "firmware-exception",
    "the processor reported a fault in the firmware or the boot loader",
    re.compile(r"!!!! X64 Exception Type|alloc magic is broken|^Aborted\. Press any key to exit"),
    last=Phase.BOOT_LOADER,
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
    NO_TIMER,
    NO_ROOT,
    KERNEL_PANIC,
    SOFT_LOCKUP,
    KERNEL_OOPS,
    OUT_OF_MEMORY,
    SQUASHFS_ERROR,
    INITRD_CORRUPT,
    EMERGENCY_SHELL,
    EMERGENCY_MODE,
    SYSTEMD_FROZE,
    ASKS_FOR_ENTER,
    INITRD_NOT_FOUND,
    GRUB_PROMPT,
    GRUB_ERROR,
    FIRMWARE_EXCEPTION,
    NO_BOOTABLE_DEVICE,
)


def pattern_named(name: str) -> BadPattern:
    """The pattern of that name; raises `UserError`, with a suggestion, where there is none."""
    by_name = {pattern.name: pattern for pattern in BAD_PATTERNS}
    if name in by_name:
        return by_name[name]
    meant = near(name, by_name)
    raise UserError(
        f"there is no pattern {name}",
        hint=f"did you mean {meant}?" if meant else f"known: {', '.join(sorted(by_name))}",
    )


class PatternScanner:
    """Looks at every line of the console for what must not be there.

    `tolerated` patterns pass for good. `seen` has the first line that showed each pattern, tolerated or not.
    """

    def __init__(self, patterns: tuple[BadPattern, ...] = BAD_PATTERNS, tolerated: tuple[BadPattern, ...] = ()) -> None:
        self._patterns = patterns
        self._tolerated: list[BadPattern] = list(tolerated)
        self._seen: dict[BadPattern, str] = {}

    @property
    def seen(self) -> Mapping[BadPattern, str]:
        return MappingProxyType(dict(self._seen))

    def scan(self, line: str, phase: Phase, *, ended: bool = True) -> BadPattern | None:
        """The first pattern that `line` shows and nobody tolerates at present.

        A line that has not `ended` is looked at for prompts only: its rest may change what it says.
        """
        shown = [pattern for pattern in self._patterns if (ended or pattern.prompt) and pattern.found_in(line, phase)]
        for pattern in shown:
            self._seen.setdefault(pattern, line)
        return next((pattern for pattern in shown if pattern not in self._tolerated), None)

    @contextmanager
    def tolerating(self, *patterns: BadPattern) -> Iterator[None]:
        """Lets `patterns` pass while the block runs."""
        self._tolerated.extend(patterns)
        try:
            yield
        finally:
            for pattern in patterns:
                self._tolerated.remove(pattern)


@dataclass(frozen=True)
class PatternRules:
    """The names of the patterns that a scenario lets pass, and of those that it wants to see.

    After a fatal pattern nothing good can follow: one that is required ends the machine, as expected, unless
    it is also allowed.
    """

    allow: tuple[str, ...] = ()
    require: tuple[str, ...] = ()

    @property
    def ends_boot(self) -> BadPattern | None:
        """The required pattern with which the machine is to end."""
        return next(iter(self._ends), None)

    @property
    def _ends(self) -> list[BadPattern]:
        patterns = map(pattern_named, self.require)
        return [pattern for pattern in patterns if pattern.fatal and pattern.name not in self.allow]

    @property
    def tolerated(self) -> tuple[BadPattern, ...]:
        """What ends no wait."""
        patterns = map(pattern_named, dict.fromkeys((*self.allow, *self.require)))
        return tuple(pattern for pattern in patterns if pattern is not self.ends_boot)

    @property
    def tolerated_names(self) -> tuple[str, ...]:
        return tuple(pattern.name for pattern in self.tolerated)

    def check(self) -> None:
        """Raises `UserError` for an unknown name, and for two fatal patterns of which one must go unseen."""
        for name in self.allow:
            pattern_named(name)
        ends = [pattern.name for pattern in self._ends]
        if len(ends) > 1:
            raise UserError(f"{' and '.join(ends)} each end the machine", hint="allow all but the one that ends it")


NO_RULES = PatternRules()
