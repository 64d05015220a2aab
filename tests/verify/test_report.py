"""The report shows everything that was told, hides nothing that was not, and stands on its own."""

from __future__ import annotations

import html.parser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from verify.engine.events import (
    CheckBegun,
    CheckEnded,
    Event,
    MachineEnded,
    MachineIdRead,
    MachineStarted,
    Noted,
    PhaseReached,
    Screenshot,
    Selected,
    ShellOpened,
)
from verify.machine.firmware import Firmware
from verify.outcome import Observation, Outcome
from verify.plan import MachineCell, Plan
from verify.report.junit import render_junit
from verify.report.model import CellReport, PhaseTime, Report, cell_reports
from verify.report.page import render_page
from verify.report.summary import summary
from verify.verdict import Verdict

CELL = MachineCell(Firmware.UEFI, other_disks=(Path("/other disk"),))
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
ODD = "<script>alert('x')</script> & \"quoted\""


def outcome(check: str, verdict: Verdict | None, reason: str = "") -> Outcome:
    look = Observation(f"cat {ODD}", 3, ODD, 1_700_000_000.0, 0.1)
    return Outcome(
        CELL.id, check, f"Requirement {check}", "the source", verdict, ODD, reason, (look,), 1_700_000_000.0, 1.5
    )


EVENTS: tuple[Event, ...] = (
    Selected("medium", ("m",)),
    CheckEnded(replace(outcome("m", Verdict.PASS), cell="medium")),
    Selected(CELL.id, ("boot", "wrong", "fault", "unreached", "lost", "never")),
    MachineStarted(CELL.id, "tcg", "no /dev/kvm here", ("qemu-system-x86_64", "-name", "two words"), 1.0),
    PhaseReached(CELL.id, "kernel", 7.25),
    Screenshot(CELL.id, "cells/screen.png"),
    ShellOpened(CELL.id, "test", "sudo"),
    MachineIdRead(CELL.id, "d" * 64),
    Noted(CELL.id, "the journal is lost"),
    CheckEnded(outcome("boot", Verdict.PASS)),
    CheckEnded(outcome("wrong", Verdict.PRODUCT_FAILURE, f"wrong because {ODD}")),
    CheckEnded(replace(outcome("fault", Verdict.HARNESS_FAULT, "lost my way"), traceback="Traceback: here")),
    CheckEnded(outcome("unreached", None, "because of wrong")),
    CheckBegun(CELL.id, "lost", 5.0),
    MachineEnded(CELL.id, 1_700_000_009.0),
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    plan = Plan(Path("/media/a <b>.iso"), Path("/c.yaml"), tmp_path, (CELL,))
    evidence = plan.evidence_of(CELL.id)
    evidence.mkdir(parents=True)
    (evidence / "serial.log").write_text("log")
    (tmp_path / "cells/screen.png").write_bytes(PNG)
    return plan


def report(plan: Plan, events: Sequence[Event] = EVENTS) -> Report:
    cells = cell_reports(plan, events, None)
    return Report(
        Verdict.PRODUCT_FAILURE, str(plan.medium), "f" * 64, 1 << 20, "/c.yaml", 1_700_000_000.0, 9.0, 2, None,
        cells, "0.1", ("no checksum implanted",)
    )  # fmt: skip


def machine_cell(plan: Plan) -> CellReport:
    return next(cell for cell in report(plan).cells if cell.id == CELL.id)


def test_everything_told_of_a_machine_is_in_the_report(plan: Plan) -> None:
    cell = machine_cell(plan)
    assert cell.verdict is Verdict.PRODUCT_FAILURE
    assert cell.seconds == 9.0
    facts = cell.machine
    assert facts is not None
    assert (facts.firmware, facts.attachment, facts.accelerator) == ("uefi", CELL.attachment.value, "tcg")
    assert [(phase.phase, phase.seconds) for phase in facts.phases] == [("kernel", 7.25)]
    assert facts.logs == (f"cells/{CELL.id}/serial.log",)
    assert facts.other_disks == ("/other disk",)
    assert (facts.user, facts.privilege) == ("test", "sudo")
    assert facts.machine_id_digest == "d" * 64


def test_check_that_never_ended_is_a_harness_fault(plan: Plan) -> None:
    outcomes = {o.id: o for o in machine_cell(plan).outcomes}
    assert outcomes["lost"].verdict is outcomes["never"].verdict is Verdict.HARNESS_FAULT
    assert "never came to an end" in outcomes["lost"].reason
    assert "never begun" in outcomes["never"].reason


def test_cell_of_which_nothing_was_told_is_a_harness_fault(plan: Plan) -> None:
    cells = cell_reports(plan, EVENTS[:2], None)
    assert [cell.verdict for cell in cells] == [Verdict.PASS, Verdict.HARNESS_FAULT]


def test_cell_that_the_keyword_leaves_out_is_no_fault(plan: Plan) -> None:
    assert [cell.id for cell in cell_reports(plan, EVENTS[:2], "m")] == ["medium"]


def test_report_is_read_back_as_it_was_written(plan: Plan) -> None:
    assert Report.from_json(report(plan).to_json()) == report(plan)


class _Page(html.parser.HTMLParser):
    """The tags that are open, what is linked, and the visible text."""

    VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture
def page(plan: Plan) -> _Page:
    parsed = _Page()
    parsed.feed(render_page(report(plan), plan.report_dir))
    assert parsed.open == []
    return parsed


def test_page_shows_requirement_check_command_and_what_was_seen(page: _Page) -> None:
    for text in (
        "Requirement wrong", "wrong because", f"$ cat {ODD}", "exit code 3", "2023-11-14 22:13:20 UTC",
        "no /dev/kvm here", "the journal is lost", "qemu-system-x86_64 -name 'two words'", "Traceback: here",
        "because of wrong", "not reached", "a <b>.iso", "f" * 64, "1 product failure", "root: sudo",
    ):  # fmt: skip
        assert text in page.text, text


def test_page_shows_the_boot_by_phase_with_budget_and_baseline(plan: Plan) -> None:
    cells = list(report(plan).cells)
    machine = cells[1].machine
    assert machine is not None
    phases = (
        PhaseTime("firmware", 0.0),
        PhaseTime("kernel", 7.0, 0.5, baseline=5.0),
        PhaseTime("login", 27.0, 1.5, limit=20.0, baseline=12.0, ratio=2.71),
    )
    cells[1] = replace(cells[1], machine=replace(machine, phases=phases))
    parsed = _Page()
    parsed.feed(render_page(replace(report(plan), cells=tuple(cells)), plan.report_dir))
    table = parsed.text[parsed.text.index("The boot, in seconds") :]
    assert "budget" in table
    assert "kernel7.07.00.5" in table
    assert "login20.027.01.520.0 over× 2.71" in table


def test_page_needs_no_other_file_and_runs_nothing(plan: Plan, page: _Page) -> None:
    loaded = [link for link in page.links if link.startswith(("http:", "https:", "//"))]
    assert loaded == []
    assert any(link.startswith("data:image/png;base64,") for link in page.links)
    source = render_page(report(plan), plan.report_dir)
    assert "<script" not in source


def test_links_within_the_page_and_to_logs_lead_somewhere(plan: Plan, page: _Page) -> None:
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif not link.startswith("data:") and link not in ("report.json", "junit.xml"):
            assert (plan.report_dir / link).is_file()


def test_page_has_what_phones_and_printers_need(plan: Plan) -> None:
    source = render_page(report(plan), plan.report_dir)
    assert '<meta name="viewport" content="width=device-width' in source
    assert "@media print" in source


def test_screenshot_that_is_missing_does_not_break_the_page(plan: Plan) -> None:
    (plan.report_dir / "cells/screen.png").unlink()
    assert "data:image" not in render_page(report(plan), plan.report_dir)


def test_summary_has_notes_and_the_baseline(plan: Plan) -> None:
    made = report(plan)
    machine = made.cells[1].machine
    assert machine is not None
    phases = (PhaseTime("kernel", 7.0), PhaseTime("login", 27.0, ratio=2.714))
    cell = replace(made.cells[1], machine=replace(machine, phases=phases))
    lines = summary(replace(made, cells=(cell,)), Path("/r")).splitlines()
    assert "    note: the journal is lost" in lines
    assert "    boot against the baseline: login × 2.71" in lines


def test_machine_that_was_booted_again_has_the_phases_of_the_last_boot_only(plan: Plan) -> None:
    again = (*EVENTS, EVENTS[3], PhaseReached(CELL.id, "initrd", 9.0))
    facts = next(cell.machine for cell in report(plan, again).cells if cell.machine is not None)
    assert [phase.phase for phase in facts.phases] == ["initrd"]
    assert facts.screenshots == ()


def test_summary_names_cells_failures_and_the_report(plan: Plan) -> None:
    text = summary(report(plan), Path("/r/index.html"))
    assert f"{CELL.id}     9.0 s  product failure: 1 pass, 1 product failure, 3 harness fault, 1 not reached" in text
    assert "product failure: Requirement wrong [wrong]\n      wrong because" in text
    assert "because of wrong" not in text
    assert text.endswith("product failure after 9 s; report: /r/index.html")


def test_what_could_not_be_checked_is_said_in_every_form_of_the_report(plan: Plan, page: _Page) -> None:
    assert "\nnote: no checksum implanted\n" in summary(report(plan), Path("/r/index.html"))
    assert "no checksum implanted" in page.text
    assert 'name="note" value="no checksum implanted"' in render_junit(report(plan)).decode()
