"""What the booted machine shows of itself is what the audit read from the medium: two witnesses, one story."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from mic.kernel_arguments import KernelArgumentError, KernelArguments
from verify.checks.guest import Guest, in_machine
from verify.checks.live_in_machine import mounts
from verify.expectations.audited import AuditAgrees
from verify.verdict import HarnessFault, ProductFailure

# A loop device's size is told in these (Documentation/ABI/testing/sysfs-block).
_SECTOR_BYTES = 512


@in_machine.of(AuditAgrees)
def audit_agrees(subject: AuditAgrees, guest: Guest) -> str:
    release = guest.run("uname -r").expect(0).stdout.strip()
    command_line = guest.run("cat /proc/cmdline").expect(0).stdout.strip()
    return judge_agreement(subject, release, command_line, _squashfs_bytes(guest))


def _squashfs_bytes(guest: Guest) -> tuple[int, ...]:
    """The sizes of the files behind the mounted squashfses, in whole sectors.

    More than one where the system mounts others, as snaps are. By the loop devices, because the way to the file
    itself leads through directories of root's alone.
    """
    mounted = mounts(guest.run("cat /proc/self/mountinfo").expect(0).stdout)
    loops = [PurePosixPath(mount.source).name for mount in mounted if mount.kind == "squashfs"]
    if not loops:
        return ()
    files = " ".join(f"/sys/block/{shlex.quote(loop)}/size" for loop in dict.fromkeys(loops))
    answer = guest.run(f"cat {files}").expect(0)
    return tuple(int(sectors) * _SECTOR_BYTES for sectors in answer.stdout.split())


def judge_agreement(subject: AuditAgrees, release: str, command_line: str, squashfs_bytes: tuple[int, ...]) -> str:
    """Raises `ProductFailure` for each thing that differs: it was not this medium that booted, or not as it reads."""
    if subject.kernel_version is None or subject.squashfs_bytes is None or not subject.arguments:
        raise HarnessFault("the audit could not read the kernel, its arguments or the squashfs, yet it booted")
    wrong = []
    if release != subject.kernel_version:
        wrong.append(f"the kernel is {release}, on the medium is {subject.kernel_version}")
    if not any(f" {form} " in f" {command_line} " for form in _forms(subject.arguments)):
        wrong.append(f"the command line is {command_line!r}, grub.cfg has {' '.join(subject.arguments)!r}")
    whole_sectors = subject.squashfs_bytes // _SECTOR_BYTES * _SECTOR_BYTES
    if whole_sectors not in squashfs_bytes:
        sizes = " or ".join(map(str, squashfs_bytes)) or "no"
        wrong.append(f"the squashfs has {sizes} bytes, on the medium {whole_sectors}")
    if wrong:
        raise ProductFailure("; ".join(wrong))
    return f"kernel {release}, squashfs of {whole_sectors} bytes, the arguments of grub.cfg"


def _forms(arguments: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return KernelArguments(arguments).forms
    except KernelArgumentError:
        # A bad grub.cfg may hold what cannot arrive; as it stands is then all that can be expected.
        return (" ".join(arguments),)
