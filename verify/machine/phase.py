"""How far a boot has come, read off what the console shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Phase(IntEnum):
    """The stages of a boot, in their order."""

    FIRMWARE = 0
    BOOT_LOADER = 1
    KERNEL = 2
    INITRD = 3
    SWITCH_ROOT = 4
    USERSPACE = 5
    LOGIN = 6

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


# What getty and login(1) print in front of a user name: nothing but the host name may stand before it on its
# line, and nothing but a kernel message after it. "Last login: " is not it.
LOGIN_PROMPT = re.compile(r"(?:^|[\r\n])(?!Last )[^\s:]{0,64} ?\blogin: ?(?=\Z|[\[\r\n])")

# Each line of evidence with the phase it proves. A quiet kernel shows few of them: later evidence then
# stands for the phases before it. The initrd greets as "Welcome to ... dracut-059 (Initramfs)!".
_EVIDENCE: tuple[tuple[Phase, re.Pattern[str]], ...] = (
    (
        Phase.BOOT_LOADER,
        re.compile(
            r"GNU GRUB|Welcome to GRUB|GRUB loading|grub rescue>|^Booting `|Minimal BASH-like"
            r"|^Booting from [0-9a-fA-F]{4}:[0-9a-fA-F]{4}"  # SeaBIOS jumps to the boot sector
            r"|BdsDxe: starting Boot[0-9A-F]{4} (?!\"EFI Internal Shell)"
        ),
    ),
    (Phase.KERNEL, re.compile(r"Linux version \d|\[ +0\.000000\]|^EFI stub: ")),
    (
        Phase.INITRD,
        re.compile(
            r"Run /init as init process|\(Initramfs\)|Running in init(rd|ial RAM)|dracut[-:\[]"
            r"|systemd \d+.* running in system mode"
        ),
    ),
    (
        Phase.SWITCH_ROOT,
        re.compile(r"Switching root|initrd-switch-root\.service|Received SIGTERM from PID 1 \(systemd"),
    ),
    (Phase.USERSPACE, re.compile(r"Welcome to (?!.*(Initramfs|dracut|GRUB)).+!|Reached target .*[Mm]ulti-[Uu]ser")),
    (Phase.LOGIN, LOGIN_PROMPT),
)
_SECOND_SYSTEMD = re.compile(r"systemd \d+.* running in system mode|Set hostname to|Hostname set to")


class PhaseTracker:
    """The furthest phase seen so far, and when each was reached (seconds from the machine's start)."""

    def __init__(self) -> None:
        self._phase = Phase.FIRMWARE
        self._times: dict[Phase, float] = {Phase.FIRMWARE: 0.0}

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def times(self) -> Mapping[Phase, float]:
        """Seconds from the start at which each phase was first seen; a phase nobody saw is absent."""
        return MappingProxyType(dict(self._times))

    def observe(self, line: str, seconds: float) -> None:
        """Takes one line of the console (without its line end), seen `seconds` after the start."""
        for phase, pattern in reversed(_EVIDENCE):
            if phase <= self._phase:
                break
            if phase is Phase.LOGIN and self._phase < Phase.KERNEL:
                continue  # a menu entry or a kernel argument, not a getty
            if pattern.search(line):
                self.advance(phase, seconds)
                break
        if self._phase is Phase.SWITCH_ROOT and _SECOND_SYSTEMD.search(line):
            self.advance(Phase.USERSPACE, seconds)

    def advance(self, phase: Phase, seconds: float) -> None:
        """Takes note that `phase` has been reached; an earlier one than the present changes nothing."""
        if phase > self._phase:
            self._phase = phase
            self._times[phase] = seconds
