"""What every live medium promises, whatever its configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from verify.expectations.expectation import Expectation, Place, Subject, named
from verify.machine.patterns import pattern_named

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
    """Neither the serial log nor the kernel's taint flags tell of an oops, a BUG or a panic.

    `allowed` names the bad patterns that a scenario lets pass.
    """

    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoDiskWritten(Subject):
    """The machine has written to no disk: neither to the medium nor to any other that is attached."""


@dataclass(frozen=True)
class OtherDisksUntouched(Subject):
    """The files behind the disks that the machine can write to are what they were before the boot."""


@dataclass(frozen=True)
class OwnMachineId(Subject):
    """The machine has an id of its own: not the medium's, and not that of another machine of the run."""


@dataclass(frozen=True)
class ShowsPattern(Subject):
    """The console shows the bad pattern of this name (`verify.machine.patterns`)."""

    name: str


def first_in_every_machine() -> Iterator[Expectation]:
    """What comes first, because everything else in the machine depends on it."""
    for name, requirement, source, subject in (
        ("boot", "The machine boots to a login prompt", BOOT_SOURCE, Boots()),
        ("shell", "The harness gets a shell, for every check inside", SOURCE, OffersShell()),
        ("settled", "The boot settles: no job is left, cloud-init is done", SOURCE, Settles()),
    ):
        yield Expectation(named("live", name), requirement, source, Place.MACHINE, subject)


def in_every_machine(label: str, allowed: Sequence[str] = ()) -> Iterator[Expectation]:
    """What must be true of every booted medium; `label` is the volume label that the medium carries, `allowed`
    names the bad patterns that a scenario lets pass.
    """
    rows: tuple[tuple[str, str, str, Subject], ...] = (
        ("no-fstab", "There is no /etc/fstab", FSTAB_SOURCE, NoFstab()),
        ("root-overlay", "The root is an overlay in memory over the squashfs", SOURCE, RootIsOverlay()),
        (
            "medium-mounted",
            f"The medium {label} is mounted at /run/initramfs/live",
            SOURCE,
            MediumMounted(label),
        ),
        ("machine-id", "The machine has an id of its own", SOURCE, OwnMachineId()),
        ("no-failed-units", "No unit has failed", SOURCE, NoFailedUnits()),
        ("no-kernel-complaint", "The kernel reports no oops, BUG or panic", SOURCE, NoKernelComplaint(tuple(allowed))),
    )
    for name, requirement, source, subject in rows:
        yield Expectation(named("live", name), requirement, source, Place.MACHINE, subject)


def last_in_every_machine() -> Iterator[Expectation]:
    """What holds for everything the machine was made to do."""
    requirement = "Nothing was written to the medium or to any other disk"
    yield Expectation(named("live", "no-disk-written"), requirement, SOURCE, Place.MACHINE, NoDiskWritten())
    requirement = "The file behind every disk the machine can write to is the same before and after"
    yield Expectation(named("live", "other-disks"), requirement, SOURCE, Place.MACHINE, OtherDisksUntouched())


def required_patterns(names: Sequence[str]) -> Iterator[Expectation]:
    """What a scenario requires the console to show."""
    for name in names:
        requirement = f"The console shows {name}: {pattern_named(name).cause}"
        id = named("live", "required-pattern", name)
        yield Expectation(id, requirement, "scenario: require_patterns", Place.MACHINE, ShowsPattern(name))
