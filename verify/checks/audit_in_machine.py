"""What the booted machine shows of itself is what the audit read from the medium: two witnesses, one story."""

from __future__ import annotations

import shlex

from mic.kernel_arguments import KernelArgumentError, KernelArguments
from verify.checks.guest import Guest, in_machine
from verify.expectations.audited import AuditAgrees
from verify.expectations.files import MEDIUM_MOUNT_POINT
from verify.verdict import HarnessFault, ProductFailure


@in_machine.of(AuditAgrees)
def audit_agrees(subject: AuditAgrees, guest: Guest) -> str:
    release = guest.run("uname -r").expect(0).stdout.strip()
    command_line = guest.run("cat /proc/cmdline").expect(0).stdout.strip()
    size = _squashfs_bytes(subject, guest)
    return judge_agreement(subject, release, command_line, size)


def _squashfs_bytes(subject: AuditAgrees, guest: Guest) -> int | None:
    if subject.squashfs_path is None:
        return None
    path = MEDIUM_MOUNT_POINT / subject.squashfs_path.lstrip("/")
    # Its content may be root's alone to read; its size is everybody's.
    answer = guest.run(f"stat --format %s {shlex.quote(str(path))}").expect(0)
    return int(answer.stdout)


def judge_agreement(subject: AuditAgrees, release: str, command_line: str, squashfs_bytes: int | None) -> str:
    """Raises `ProductFailure` for each thing that differs: it was not this medium that booted, or not as it reads."""
    if subject.kernel_version is None or subject.squashfs_bytes is None or not subject.arguments:
        raise HarnessFault("the audit could not read the kernel, its arguments or the squashfs, yet it booted")
    wrong = []
    if release != subject.kernel_version:
        wrong.append(f"the kernel is {release}, on the medium is {subject.kernel_version}")
    if not any(f" {form} " in f" {command_line} " for form in _forms(subject.arguments)):
        wrong.append(f"the command line is {command_line!r}, grub.cfg has {' '.join(subject.arguments)!r}")
    if squashfs_bytes != subject.squashfs_bytes:
        wrong.append(f"the squashfs has {squashfs_bytes} bytes, on the medium {subject.squashfs_bytes}")
    if wrong:
        raise ProductFailure("; ".join(wrong))
    return f"kernel {release}, squashfs of {squashfs_bytes} bytes, the arguments of grub.cfg"


def _forms(arguments: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return KernelArguments(arguments).forms
    except KernelArgumentError:
        # A bad grub.cfg may hold what cannot arrive; as it stands is then all that can be expected.
        return (" ".join(arguments),)
