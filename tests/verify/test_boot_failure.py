"""A medium that does not boot: one named failure, and everything behind it reported as not reached."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.verify.conftest import EXAMPLE_1, WriteConfig
from tests.verify.small_medium import SmallMedium
from tests.verify_console.test_asciicast import Recording
from verify.machine.firmware import Firmware
from verify.plan import MachineCell, Plan
from verify.report.model import Report
from verify.run import run_plan
from verify.verdict import Verdict


@pytest.mark.boot
def test_boot_failure_is_one_failure_and_hides_behind_no_keyword(tmp_path: Path, write_config: WriteConfig) -> None:
    iso = SmallMedium(firmwares=("uefi",)).write(tmp_path)
    cell = MachineCell(Firmware.BIOS, memory_mib=256)
    plan = Plan(iso, write_config(EXAMPLE_1), tmp_path / "report", (cell,), boot_anyway=True)

    # A keyword that leaves the boot out: what it selects cannot be looked at, and that must not be a pass.
    assert run_plan(plan, keyword="root-overlay or user.test.exists and not medium") == 1

    report = Report.from_json((plan.report_dir / "report.json").read_bytes())
    (machine,) = (cell for cell in report.cells if cell.machine is not None)
    verdicts = {outcome.id: outcome.verdict for outcome in machine.outcomes}
    assert verdicts == {
        "live.boot": Verdict.PRODUCT_FAILURE,
        "live.root-overlay": None,
        "user.test.exists": None,
    }
    boot, overlay, user = machine.outcomes
    assert "nothing to boot (phase firmware" in boot.reason
    assert overlay.reason == user.reason
    assert overlay.reason.startswith("the machine did not boot: ")
    assert machine.machine is not None
    assert machine.machine.command_line
    assert machine.machine.accelerator_reason
    assert any(log.endswith("serial.log") for log in machine.machine.logs)
    assert machine.machine.screenshots
    (note,) = machine.machine.notes
    assert note.startswith("no journal: the machine did not boot")
    assert "rdsosreport.txt is out of reach" in note
    recording = Recording.read(plan.evidence_of(cell.id) / "console.cast")
    marks = [text for _, code, text in recording.events if code == "m"]
    assert "check live.boot begins" in marks
    assert "check live.boot: product failure" in marks
    timed = (plan.evidence_of(cell.id) / "serial-timed.log").read_text()
    assert "=== check live.root-overlay: not reached" in timed
    (suite,) = (s for s in ElementTree.parse(plan.report_dir / "junit.xml").getroot() if s.attrib["name"] == cell.id)
    assert (suite.attrib["failures"], suite.attrib["skipped"]) == ("1", "2")
