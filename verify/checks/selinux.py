"""SELinux as the running kernel has it: selinuxfs is there where it is on, and says whether it enforces."""

from __future__ import annotations

from mic.config import SELinuxMode
from verify.checks.guest import Guest, in_machine
from verify.expectations.selinux import SELinuxIs
from verify.verdict import HarnessFault, ProductFailure

_ENFORCE = "/sys/fs/selinux/enforce"
_MODES = {
    "absent": SELinuxMode.DISABLED,
    "0": SELinuxMode.PERMISSIVE,
    "1": SELinuxMode.ENFORCING,
}  # security/selinux/selinuxfs.c


@in_machine.of(SELinuxIs)
def selinux_is(subject: SELinuxIs, guest: Guest) -> str:
    answer = guest.run(f"if [ -e {_ENFORCE} ]; then cat {_ENFORCE}; else echo absent; fi").expect(0)
    # For the report alone: an image without a policy has no such program.
    guest.run("PATH=$PATH:/usr/sbin:/sbin getenforce")
    return judge_selinux(answer.stdout.strip(), subject.mode)


def judge_selinux(enforce: str, mode: SELinuxMode) -> str:
    """`enforce` is what selinuxfs says, or "absent". Raises `ProductFailure` for another mode than `mode`."""
    seen = _MODES.get(enforce)
    if seen is None:
        raise HarnessFault(f"{_ENFORCE} says {enforce!r}")
    if seen is not mode:
        raise ProductFailure(f"SELinux is {seen.value}, not {mode.value}")
    return f"SELinux is {seen.value}"
