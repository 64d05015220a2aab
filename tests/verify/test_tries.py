"""Faults are tried again, visibly; failures never; and no way out of the program says what only a verdict may say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.verify.conftest import EXAMPLE_1, WriteConfig
from tests.verify.small_medium import SmallMedium
from verify.machine.firmware import Firmware
from verify.outcome import Outcome
from verify.plan import MachineCell, Plan
from verify.report.model import CellReport, Report
from verify.report.summary import ended
from verify.run import run_plan
from verify.tries import cells_tried, doubted
from verify.verdict import Verdict


def cell(id: str, verdict: Verdict, outcome: Verdict | None = None) -> CellReport:
    outcomes = (Outcome(id, "c", "r", "s", outcome or verdict, "", "lost my way", (), 0.0, 0.0),)
    return CellReport(id, verdict, outcomes, 1.0)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(Path("/m.iso"), Path("/c.yaml"), tmp_path, (MachineCell(Firmware.BIOS),))


def test_only_faults_are_tried_again_and_the_last_try_counts(plan: Plan) -> None:
    runs: list[tuple[int, tuple[str, ...]]] = []

    def run_once(one: Plan) -> tuple[CellReport, ...]:
        runs.append((one.number, one.only))
        if one.number == 1:
            return cell("a", Verdict.PRODUCT_FAILURE), cell("b", Verdict.HOST_FAULT), cell("c", Verdict.PASS)
        return (cell("b", Verdict.PASS if one.number == 3 else Verdict.HARNESS_FAULT),)

    a, b, c = cells_tried(plan, 5, run_once)
    assert runs == [(1, ()), (2, ("b",)), (3, ("b",))]
    assert (a.verdict, a.earlier_tries, c.earlier_tries) == (Verdict.PRODUCT_FAILURE, (), ())
    assert [earlier.verdict for earlier in b.earlier_tries] == [Verdict.HOST_FAULT, Verdict.HARNESS_FAULT]
    assert ended(b) == "pass at the 3rd try"


def test_failure_at_a_later_try_ends_the_tries(plan: Plan) -> None:
    verdicts = iter([Verdict.HOST_FAULT, Verdict.PRODUCT_FAILURE, Verdict.PASS])
    (only,) = cells_tried(plan, 2, lambda one: (cell("a", next(verdicts)),))
    assert only.verdict is Verdict.PRODUCT_FAILURE


def test_nothing_is_tried_again_unless_asked_for(plan: Plan) -> None:
    runs: list[Plan] = []

    def run_once(one: Plan) -> tuple[CellReport, ...]:
        runs.append(one)
        return (cell("a", Verdict.HOST_FAULT),)

    (only,) = cells_tried(plan, 0, run_once)
    assert (len(runs), only.verdict) == (1, Verdict.HOST_FAULT)


def test_pytest_that_broke_down_is_no_pass() -> None:
    passed = (cell("a", Verdict.PASS),)
    assert doubted(passed, 0) == passed
    for code in (1, 2, 3, 4):
        (doubtful,) = doubted(passed, code)
        assert doubtful.verdict is Verdict.HARNESS_FAULT
        assert f"pytest ended with {code}" in doubtful.outcomes[-1].reason
    wrong = (cell("a", Verdict.PRODUCT_FAILURE),)
    assert doubted(wrong, 1) == wrong


def test_host_fault_is_tried_again_with_evidence_of_its_own(
    tmp_path: Path, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A host without a QEMU that runs: the program of that name ends at once."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "qemu-system-x86_64").write_text("#!/bin/sh\nexit 3\n")
    (programs / "qemu-system-x86_64").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    iso = SmallMedium().write(tmp_path)
    plan = Plan(iso, write_config(EXAMPLE_1), tmp_path / "report", (MachineCell(Firmware.BIOS, memory_mib=256),))
    assert run_plan(plan, retries=1) == 75
    report = Report.from_json((plan.report_dir / "report.json").read_bytes())
    medium, machine = report.cells
    assert (medium.verdict, medium.earlier_tries) == (Verdict.PASS, ())
    (earlier,) = machine.earlier_tries
    assert earlier.verdict is machine.verdict is Verdict.HOST_FAULT
    assert (plan.evidence_of(machine.id) / "try-2").is_dir()
    said = capsys.readouterr().out
    assert "host fault at the 2nd try" in said
    assert "the 1st try ended as host fault" in said
    assert "Try 1 of 2 ended as host fault" in (plan.report_dir / "index.html").read_text()
    assert 'name="try-1" value="host fault"' in (plan.report_dir / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("raised", "exit_code", "said"),
    [
        ("ZeroDivisionError('x')", 75, "harness fault: ZeroDivisionError: x"),
        ("OSError(28, 'No space left on device')", 75, "host fault"),
        ("MemoryError()", 75, "host fault: out of memory"),
        ("FileNotFoundError(2, 'no such file')", 75, "harness fault"),
        ("BrokenPipeError(32, 'x')", 75, ""),
        ("KeyboardInterrupt()", 130, "interrupted"),
        ("HostFault('no QEMU')", 75, "host fault: no QEMU"),
    ],
)
def test_whatever_nobody_foresaw_never_ends_as_a_verdict_on_the_medium(raised: str, exit_code: int, said: str) -> None:
    program = (
        "from verify.commands.ending import ending_in_a_verdict\nfrom verify.verdict import HostFault\n"
        f"with ending_in_a_verdict():\n    raise {raised}\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == exit_code
    assert said in done.stderr
