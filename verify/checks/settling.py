"""Waits for the boot to be over: no job left to systemd, and cloud-init done."""

from __future__ import annotations

from verify.checks.guest import Guest, in_machine
from verify.deadline import Deadline
from verify.expectations.live import Settles
from verify.verdict import HarnessFault, ProductFailure

# On fast hardware; a wait is given up when this long nothing has moved, or at the ceiling.
_ROUND_SECONDS = 10
_ROUNDS_WITHOUT_PROGRESS = 6
_CEILING_SECONDS = 900.0
_TIMED_OUT = 124

# `timeout` bounds each round in the guest's own time, so that the wait never hangs the console.
_WAIT = f"timeout {_ROUND_SECONDS} systemctl is-system-running --wait"
_JOBS = "systemctl list-jobs --no-legend --no-pager --plain"
# result.json is written at the very end of cloud-init's last stage; /run/cloud-init/enabled by its generator.
_CLOUD_INIT = (
    "if [ ! -e /run/cloud-init/enabled ]; then echo not enabled; "
    "elif [ -e /run/cloud-init/result.json ]; then echo done; else echo at work; fi"
)
_AT_WORK = "at work"


@in_machine.of(Settles)
def settles(subject: Settles, guest: Guest) -> str:
    state = _wait_for_systemd(guest)
    cloud_init = _wait_for_cloud_init(guest)
    return f"systemd: {state}; cloud-init: {cloud_init}"


def _wait_for_systemd(guest: Guest) -> str:
    ceiling = Deadline(_CEILING_SECONDS * guest.session.time_scale)
    patience = _ROUNDS_WITHOUT_PROGRESS * guest.session.time_scale
    rounds, jobs = 0, ""
    while True:
        answer = guest.run(_WAIT)
        if answer.exit_code != _TIMED_OUT:
            # 0 running, 1 any other state, of which degraded is left to the check for failed units.
            if answer.stdout in ("running", "degraded", "maintenance"):
                return answer.stdout
            raise HarnessFault(f"systemctl is-system-running says {answer.stdout or answer.stderr}")
        left = guest.run(_JOBS).expect(0).stdout
        rounds, jobs = (rounds + 1, jobs) if left == jobs else (0, left)
        if rounds >= patience or ceiling.expired:
            raise ProductFailure(f"the boot does not come to an end; jobs left: {_short(jobs)}")


def _wait_for_cloud_init(guest: Guest) -> str:
    ceiling = Deadline(_CEILING_SECONDS * guest.session.time_scale)
    over = False
    while (state := guest.run(_CLOUD_INIT).expect(0).stdout) == _AT_WORK:
        if over or ceiling.expired:
            raise ProductFailure("cloud-init is enabled and leaves no /run/cloud-init/result.json")
        # Its exit code tells only that it is over: "error" comes with the mildest complaint (22.4, locale).
        over = guest.run(f"timeout {_ROUND_SECONDS} cloud-init status --wait").exit_code != _TIMED_OUT
    return state


def _short(jobs: str) -> str:
    """The units of ``systemctl list-jobs``, whose second column they are."""
    units = [line.split()[1] for line in jobs.split("\n") if len(line.split()) > 1]
    return ", ".join(units) if units else "none listed"
