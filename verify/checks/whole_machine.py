"""What is told by a machine as a whole, from outside or across machines."""

from __future__ import annotations

import re
import shlex

from verify.checks.guest import Guest, in_machine
from verify.expectations.live import OtherDisksUntouched, OwnMachineId, ShowsPattern
from verify.verdict import HarnessFault, ProductFailure

# machine-id(5)
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
# What stat(1) calls file systems that live in memory; nothing in them survives a reboot.
_IN_MEMORY = ("tmpfs", "ramfs")


@in_machine.of(ShowsPattern)
def shows_pattern(subject: ShowsPattern, guest: Guest) -> str:
    line = guest.session.line_that_showed(subject.name)
    if line is None:
        raise ProductFailure(f"{subject.name} never showed on the console")
    return line


@in_machine.of(OtherDisksUntouched)
def other_disks_untouched(subject: OtherDisksUntouched, guest: Guest) -> str:
    return guest.session.compare_disks()


@in_machine.of(OwnMachineId)
def own_machine_id(subject: OwnMachineId, guest: Guest) -> str:
    machine_id = guest.run("cat /etc/machine-id").stdout
    if not _MACHINE_ID.fullmatch(machine_id):
        raise ProductFailure(f"/etc/machine-id holds no machine id: {machine_id[:80]!r}")
    same = guest.session.others_with_machine_id(machine_id)
    if same:
        raise ProductFailure(f"the machine id {machine_id} is also that of {' and '.join(same)}")
    return machine_id


def upper_layer_in_memory(upper: str | None, guest: Guest) -> str:
    """Raises `ProductFailure` unless an overlay's upper directory, if it has one, is in memory."""
    if upper is None:
        return "no upper layer"
    # The option is shown as it was given: dracut's may be a link to a directory on a disk.
    answer = guest.run(f"readlink -f {shlex.quote(upper)} && stat -f -L -c %T {shlex.quote(upper)}")
    path, _, kind = answer.stdout.partition("\n")
    if answer.exit_code != 0 or not kind:
        raise HarnessFault(f"the upper layer {upper} cannot be looked at: {answer.stderr}")
    if kind not in _IN_MEMORY:
        raise ProductFailure(f"the upper layer {upper} is on {kind} ({path}): what is written survives a reboot")
    return f"upper layer {path} ({kind})"
