"""A session that has no way in says so, at once and as its own fault, and lets nothing behind it pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from verify.access.choose import GuestSystem
from verify.access.way import AccessChoice
from verify.engine.session import MachineSession
from verify.machine.firmware import Firmware
from verify.outcome import NotReached
from verify.plan import MachineCell, Plan
from verify.verdict import HarnessFault, HostFault


def test_where_only_a_password_may_serve_and_none_is_known_there_is_a_harness_fault_and_nothing_is_reached(
    tmp_path: Path,
) -> None:
    cell = MachineCell(Firmware.BIOS)
    plan = Plan(Path("/m.iso"), Path("/c.yaml"), tmp_path, (cell,), access=AccessChoice.PASSWORD)
    session = MachineSession(plan, cell, (), GuestSystem())
    with pytest.raises(HarnessFault, match="names no user with a password"):
        session.open_shell()
    with pytest.raises(NotReached, match="no shell: the configuration names no user"):
        session.shell()


def test_machine_that_cannot_be_started_is_the_hosts_fault_once(tmp_path: Path) -> None:
    cell = MachineCell(Firmware.BIOS, other_disks=(tmp_path / "none.raw",))
    medium = tmp_path / "medium.iso"
    medium.touch()
    session = MachineSession(Plan(medium, Path("/c.yaml"), tmp_path, (cell,)), cell, (), GuestSystem())
    with pytest.raises(HostFault, match=r"none\.raw"):
        session.boot()
    with pytest.raises(NotReached, match=r"did not boot: .*none\.raw is not there"):
        session.boot()
    session.close()
