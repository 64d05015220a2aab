"""The report and the log name the means, what it changed, and what was tried before."""

from __future__ import annotations

from pathlib import Path

import pytest

from verify.display import RunProgress
from verify.engine.events import (
    AccessFailed,
    EventReader,
    MachineEnded,
    MachineStarted,
    PhaseReached,
    Selected,
    ShellOpened,
    tell,
)
from verify.machine.firmware import Firmware
from verify.plan import MachineCell, Plan
from verify.report.model import MachineFacts, Report, cell_reports
from verify.report.page import render_page
from verify.verdict import Verdict

CELL = MachineCell(Firmware.BIOS)
EVENTS = (
    Selected(CELL.id, ()),
    MachineStarted(CELL.id, "tcg", "why", ("qemu", "first")),
    PhaseReached(CELL.id, "login", 70.0),
    AccessFailed(CELL.id, "credentials: mic-verify-1: refused", "grub"),
    MachineEnded(CELL.id),
    MachineStarted(CELL.id, "tcg", "why", ("qemu", "second")),
    PhaseReached(CELL.id, "login", 80.0),
    ShellOpened(CELL.id, "root", "root's", "grub; before that, credentials: refused", "a second serial port"),
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    plan = Plan(tmp_path / "m.iso", Path("/c.yaml"), tmp_path, (CELL,))
    for event in EVENTS:
        tell(plan.events_file, event)
    return plan


def facts_of(plan: Plan) -> MachineFacts:
    (cell,) = (c for c in cell_reports(plan, EventReader(plan.events_file).new(), None) if c.id == CELL.id)
    assert cell.machine is not None
    return cell.machine


def test_facts_are_those_of_the_boot_that_was_checked(plan: Plan) -> None:
    facts = facts_of(plan)
    assert [(phase.phase, phase.seconds) for phase in facts.phases] == [("login", 80.0)]
    assert facts.command_line == ("qemu", "second")
    assert facts.access == "grub; before that, credentials: refused"
    assert facts.access_changes == "a second serial port"


def test_page_names_the_means_and_what_it_changed(plan: Plan) -> None:
    cells = cell_reports(plan, EVENTS, None)
    report = Report(Verdict.PASS, "m", "f" * 64, 1, "/c.yaml", 1.0, 1.0, 1, None, cells, "0.1")
    page = render_page(report, plan.report_dir)
    assert "by grub; before that, credentials: refused" in page
    assert "a second serial port" in page


def test_log_says_at_once_that_another_means_is_tried() -> None:
    lines = [line for event in EVENTS for line in RunProgress().take(event)]
    assert any("no shell by credentials: mic-verify-1: refused; trying grub" in line for line in lines)
