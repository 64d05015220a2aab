"""What every live medium promises, whatever its configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verify.expectations.expectation import Expectation, Place, Subject, named

SOURCE = "every live medium"
FSTAB_SOURCE = "ISO support: /etc/fstab is dropped from the rootfs"
BOOT_SOURCE = "ISO support: the ISO boots into the rootfs of the input image"


@dataclass(frozen=True)
class NoFstab(Subject):
    """/etc/fstab does not exist."""


@dataclass(frozen=True)
class Boots(Subject):
    """The machine reaches a login prompt on its serial console."""


@dataclass(frozen=True)
class OffersShell(Subject):
    """The harness gets a shell in the machine: every check inside needs it."""


@dataclass(frozen=True)
class Settles(Subject):
    """systemd has no job left to do, and cloud-init, where it runs, is done."""


@dataclass(frozen=True)
class RootIsOverlay(Subject):
    """The root file system is an overlay whose lower layer is a squashfs."""


@dataclass(frozen=True)
class MediumMounted(Subject):
    """The medium is mounted where dracut puts it, and it is this one."""

    label: str


@dataclass(frozen=True)
class NoFailedUnits(Subject):
    """systemd counts no failed unit."""


@dataclass(frozen=True)
class NoKernelComplaint(Subject):
    """Neither the serial log nor the kernel's taint flags tell of an oops, a BUG or a panic."""


@dataclass(frozen=True)
class NoDiskWritten(Subject):
    """The machine has written to no disk: neither to the medium nor to any other that is attached."""


def first_in_every_machine() -> Iterator[Expectation]:
    """What comes first, because everything else in the machine depends on it."""
    for name, requirement, source, subject in (
        ("boot", "The machine boots to a login prompt", BOOT_SOURCE, Boots()),
        ("shell", "A user whose password is known gets a shell", SOURCE, OffersShell()),
        ("settled", "The boot settles: no job is left, cloud-init is done", SOURCE, Settles()),
    ):
        yield Expectation(named("live", name), requirement, source, Place.MACHINE, subject)


def in_every_machine(label: str) -> Iterator[Expectation]:
    """What must be true of every booted medium; `label` is the volume label that the medium carries."""
    rows: tuple[tuple[str, str, str, Subject], ...] = (
        ("no-fstab", "There is no /etc/fstab", FSTAB_SOURCE, NoFstab()),
        ("root-overlay", "The root is an overlay over the squashfs", SOURCE, RootIsOverlay()),
        (
            "medium-mounted",
            f"The medium {label} is mounted at /run/initramfs/live",
            SOURCE,
            MediumMounted(label),
        ),
        ("no-failed-units", "No unit has failed", SOURCE, NoFailedUnits()),
        ("no-kernel-complaint", "The kernel reports no oops, BUG or panic", SOURCE, NoKernelComplaint()),
    )
    for name, requirement, source, subject in rows:
        yield Expectation(named("live", name), requirement, source, Place.MACHINE, subject)


def last_in_every_machine() -> Iterator[Expectation]:
    """What holds for everything the machine was made to do."""
    requirement = "Nothing was written to the medium or to any other disk"
    yield Expectation(named("live", "no-disk-written"), requirement, SOURCE, Place.MACHINE, NoDiskWritten())
