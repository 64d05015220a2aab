"""What every live medium promises, looked at in the booted machine. None of it needs root."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from verify.checks.guest import Guest, in_machine
from verify.checks.whole_machine import upper_layer_in_memory
from verify.expectations.files import MEDIUM_MOUNT_POINT
from verify.expectations.live import (
    Boots,
    MediumMounted,
    NoDiskWritten,
    NoFailedUnits,
    NoFstab,
    NoKernelComplaint,
    OffersShell,
    RootIsOverlay,
)
from verify.machine.disk_counts import DiskWrites
from verify.machine.patterns import KERNEL_OOPS, SOFT_LOCKUP
from verify.verdict import HarnessFault, HostFault, ProductFailure

# Bits of /proc/sys/kernel/tainted (Documentation/admin-guide/tainted-kernels.rst).
_TAINT_DIED = 1 << 7
_TAINT_SOFT_LOCKUP = 1 << 14
_COMPLAINT = re.compile(
    r"Kernel panic|\bOops\b|general protection fault|kernel BUG at|\bBUG: (?!soft lockup)"
    r"|Unable to handle kernel|double fault:",
)
_SOFT_LOCKUP = re.compile(r"BUG: soft lockup")


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo (proc(5))."""

    mount_point: str
    kind: str
    source: str
    options: tuple[str, ...]

    def option(self, name: str) -> str | None:
        """The value of a mount option, or None."""
        found = [option.partition("=")[2] for option in self.options if option.startswith(f"{name}=")]
        return found[-1] if found else None


@in_machine.of(Boots)
def boots(subject: Boots, guest: Guest) -> str:
    return guest.session.boot()


@in_machine.of(OffersShell)
def offers_shell(subject: OffersShell, guest: Guest) -> str:
    return guest.session.open_shell()


@in_machine.of(NoFstab)
def no_fstab(subject: NoFstab, guest: Guest) -> str:
    answer = guest.run("if [ -e /etc/fstab ] || [ -L /etc/fstab ]; then cat /etc/fstab; else echo absent; fi")
    if answer.stdout != "absent":
        raise ProductFailure("/etc/fstab exists")
    return "absent"


@in_machine.of(RootIsOverlay)
def root_is_overlay(subject: RootIsOverlay, guest: Guest) -> str:
    mounted = mounts(guest.run("cat /proc/self/mountinfo").expect(0).stdout)
    lower = judge_root(mounted)
    return f"{lower}; {upper_layer_in_memory(_last_at(mounted, '/').option('upperdir'), guest)}"


def judge_root(mounted: list[Mount]) -> str:
    """Raises `ProductFailure` unless / is an overlay and its lower layer a mounted squashfs."""
    root = _last_at(mounted, "/")
    if root.kind != "overlay":
        raise ProductFailure(f"the root is {root.kind} from {root.source}, no overlay")
    lower = root.option("lowerdir")
    if lower is None:
        raise HarnessFault("the overlay of / names no lowerdir")
    # Kernels from 6.7 on show each lower layer as lowerdir+ or join them with colons.
    kinds = {path: _kind_at(mounted, path) for path in lower.split(":")}
    if "squashfs" not in kinds.values():
        shown = ", ".join(f"{path} ({kind})" for path, kind in kinds.items())
        raise ProductFailure(f"the overlay's lower layer is no squashfs: {shown}")
    return f"overlay, lower layer {lower} (squashfs)"


@in_machine.of(MediumMounted)
def medium_mounted(subject: MediumMounted, guest: Guest) -> str:
    mounted = mounts(guest.run("cat /proc/self/mountinfo").expect(0).stdout)
    mount = next((m for m in reversed(mounted) if m.mount_point == str(MEDIUM_MOUNT_POINT)), None)
    if mount is None:
        raise ProductFailure(f"nothing is mounted at {MEDIUM_MOUNT_POINT}")
    # lsblk takes the label from udev's database, which everybody may read; blkid would need the device.
    answer = guest.run(f"lsblk --nodeps --noheadings --output LABEL {shlex.quote(mount.source)}").expect(0)
    return judge_medium(mount, answer.stdout.strip(), subject.label)


def judge_medium(mount: Mount, label: str, expected: str) -> str:
    """Raises `ProductFailure` unless the mount is an ISO file system with the expected volume label."""
    if mount.kind not in ("iso9660", "udf"):
        raise ProductFailure(f"{mount.mount_point} is {mount.kind} from {mount.source}, no ISO file system")
    if label != expected:
        raise ProductFailure(f"{mount.mount_point} is {mount.source} with the label {label!r}")
    return f"{mount.source} ({mount.kind}), label {label}"


@in_machine.of(NoFailedUnits)
def no_failed_units(subject: NoFailedUnits, guest: Guest) -> str:
    answer = guest.run("systemctl list-units --failed --plain --no-legend --no-pager").expect(0)
    failed = failed_units(answer.stdout)
    for unit in failed:
        # 3: the unit is not running (systemctl(1)), which is why it is asked about.
        guest.run(f"systemctl status --no-pager --full --lines 20 {shlex.quote(unit)}")
    if failed:
        raise ProductFailure(f"failed: {', '.join(failed)}")
    return "none"


def failed_units(listing: str) -> list[str]:
    """The unit names in the output of ``systemctl list-units --failed --plain --no-legend``."""
    return [line.split()[0] for line in listing.split("\n") if line.strip()]


@in_machine.of(NoKernelComplaint)
def no_kernel_complaint(subject: NoKernelComplaint, guest: Guest) -> str:
    tainted = int(guest.run("cat /proc/sys/kernel/tainted").expect(0).stdout)
    emulated, excused = guest.session.emulated, guest.session.excused_stalls
    # Any that the host does not excuse has ended a wait, and is told there.
    allowed = (*subject.allowed, SOFT_LOCKUP.name) if excused else subject.allowed
    seen = judge_kernel(guest.session.serial_text(), tainted, emulated=emulated, allowed=allowed)
    return f"{seen}; {excused} complaints of a stuck processor, which the host excuses" if excused else seen


def judge_kernel(serial: str, tainted: int, *, emulated: bool, allowed: tuple[str, ...] = ()) -> str:
    """Raises `ProductFailure` for an oops, BUG or panic, unless a scenario has `allowed` that pattern.

    A soft lockup on an emulated processor is the host's: a machine that a busy host does not run for 20 s
    looks like that from within. It is raised as `HostFault`.
    """
    lines = [line.strip() for line in serial.split("\n") if _COMPLAINT.search(line)]
    if KERNEL_OOPS.name not in allowed and (lines or tainted & _TAINT_DIED):
        raise ProductFailure(lines[0] if lines else f"the kernel is tainted by an oops or BUG ({tainted})")
    locked_up = _SOFT_LOCKUP.search(serial) or tainted & _TAINT_SOFT_LOCKUP
    if SOFT_LOCKUP.name not in allowed and locked_up:
        fault = HostFault if emulated else ProductFailure
        raise fault("the kernel reports a soft lockup")
    return f"none in the serial log; taint flags {tainted}"


@in_machine.of(NoDiskWritten)
def no_disk_written(subject: NoDiskWritten, guest: Guest) -> str:
    writes = guest.session.disk_writes()
    shown = "\n".join(
        f"{disk.disk}: {disk.operations} writes, {disk.bytes} bytes, {disk.discards} discards" for disk in writes
    )
    guest.notebook.note("what QEMU counted of writes to each writable disk", shown or "there is none")
    return judge_writes(writes)


def judge_writes(writes: tuple[DiskWrites, ...]) -> str:
    """Raises `ProductFailure` when anything was written to any disk."""
    written = [f"{disk.bytes} bytes to {disk.disk}" for disk in writes if disk.operations or disk.bytes]
    written += [f"{disk.discards} discards to {disk.disk}" for disk in writes if disk.discards]
    if written:
        raise ProductFailure(f"written: {', '.join(written)}")
    return f"nothing to {', '.join(disk.disk.name for disk in writes)}" if writes else "no writable disk"


def mounts(mountinfo: str) -> list[Mount]:
    """The lines of /proc/self/mountinfo, in order; those of another form are passed over."""
    found = []
    for line in mountinfo.split("\n"):
        left, separator, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if separator and len(fields) >= 6 and len(rest) >= 3:
            options = (*fields[5].split(","), *rest[2].split(","))
            found.append(Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1]), options))
    return found


def _last_at(mounted: list[Mount], path: str) -> Mount:
    for mount in reversed(mounted):
        if mount.mount_point == path:
            return mount
    raise HarnessFault(f"/proc/self/mountinfo has no line for {path}")


def _kind_at(mounted: list[Mount], path: str) -> str:
    """The type of the file system that holds `path`."""
    best = Mount("", "nothing", "", ())
    for mount in mounted:
        point = mount.mount_point.rstrip("/")
        if (path == point or path.startswith(f"{point}/")) and len(mount.mount_point) >= len(best.mount_point):
            best = mount
    return best.kind


def _unescaped(text: str) -> str:
    """proc(5): blank, tab, newline and backslash appear as octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
