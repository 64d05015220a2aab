"""A whole run without a machine: the medium's cell through pytest, verdict, exit code and every report file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mic.errors import UserError
from tests.verify.conftest import EXAMPLE_1, WriteConfig
from tests.verify.small_medium import LABEL, SmallMedium
from verify.audit import Audit, audit_medium
from verify.engine.events import EventReader
from verify.machine.firmware import Firmware
from verify.masking import MASK
from verify.plan import MachineCell, Plan
from verify.report.baseline import Comparison
from verify.report.model import Report, cell_reports
from verify.run import run_plan
from verify.verdict import Verdict

SECRETS = ("testpassword", "cloud-secret")


@pytest.fixture
def plan(tmp_path: Path, write_config: WriteConfig) -> Plan:
    """A plan of a good small medium and no machine."""
    iso = SmallMedium().write(tmp_path)
    return Plan(iso, write_config(EXAMPLE_1), tmp_path / "report", ())


def report_of(plan: Plan) -> Report:
    return Report.from_json((plan.report_dir / "report.json").read_bytes())


def test_good_medium_ends_in_0_with_every_report_file(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_plan(plan) == 0
    report = report_of(plan)
    assert report.verdict is Verdict.PASS
    (cell,) = report.cells
    assert len(cell.outcomes) > 5
    assert all(outcome.verdict is Verdict.PASS and outcome.seen for outcome in cell.outcomes)
    suite = ElementTree.parse(plan.report_dir / "junit.xml").getroot()[0]
    assert int(suite.attrib["tests"]) == len(cell.outcomes)
    assert suite.attrib["failures"] == suite.attrib["errors"] == suite.attrib["skipped"] == "0"
    page = (plan.report_dir / "index.html").read_text()
    assert all(f"medium/{outcome.id}" in page for outcome in cell.outcomes)
    assert f"report: {plan.report_dir / 'index.html'}" in capsys.readouterr().out


def test_wrong_medium_ends_in_1_and_names_the_requirement(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    medium = SmallMedium()
    medium.rootfs["etc/fstab"] = "/dev/sda1 / ext4 defaults 0 1\n"
    (tmp_path / "bad").mkdir()
    bad = Plan(medium.write(tmp_path / "bad"), plan.config_file, plan.report_dir, ())
    assert run_plan(bad) == 1
    (failed,) = [o for o in report_of(bad).cells[0].outcomes if o.verdict is not Verdict.PASS]
    assert (failed.id, failed.verdict) == ("live.no-fstab", Verdict.PRODUCT_FAILURE)
    assert "The rootfs has no /etc/fstab [live.no-fstab]" in capsys.readouterr().out
    failures = ElementTree.parse(bad.report_dir / "junit.xml").getroot()[0].findall("testcase/failure")
    assert [failure.attrib["message"] for failure in failures] == ["product failure: the rootfs has /etc/fstab"]


def test_no_secret_is_in_any_file_of_the_report(plan: Plan) -> None:
    run_plan(plan)
    files = [path for path in plan.report_dir.rglob("*") if path.is_file()]
    assert len(files) >= 6
    for path in files:
        for secret in SECRETS:
            assert secret.encode() not in path.read_bytes(), path


def test_keyword_selects_checks(plan: Plan) -> None:
    assert run_plan(plan, keyword="fstab or squashfs") == 0
    report = report_of(plan)
    assert {outcome.id for outcome in report.cells[0].outcomes} == {
        "live.no-fstab",
        "live.squashfs",
        "live.squashfs-complete",
    }
    assert report.keyword == "fstab or squashfs"


def test_no_check_at_all_is_no_pass(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_plan(plan, keyword="nothing-is-called-so") == 75
    assert "no check was run" in capsys.readouterr().out


def test_keyword_that_is_no_expression_is_the_users_to_mend(plan: Plan) -> None:
    with pytest.raises(UserError, match="and and"):
        run_plan(plan, keyword="and and")


def test_workers_of_xdist_give_the_same_result(plan: Plan) -> None:
    assert run_plan(plan, processes=2) == 0
    assert {o.verdict for o in report_of(plan).cells[0].outcomes} == {Verdict.PASS}
    assert "] PASSED" in (plan.report_dir / "pytest.log").read_text()


def test_settings_of_another_pytest_do_not_reach_the_engine(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no.such.plugin")
    assert run_plan(plan) == 0


def test_second_run_replaces_the_first_and_leaves_other_files_alone(plan: Plan) -> None:
    run_plan(plan)
    (plan.report_dir / "notes.txt").write_text("mine")
    run_plan(plan, keyword="fstab")
    assert len(report_of(plan).cells[0].outcomes) == 1
    assert (plan.report_dir / "notes.txt").read_text() == "mine"


def test_medium_that_is_no_iso_is_refused_before_anything_is_written(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "no.iso").write_text("no iso")
    bad = Plan(tmp_path / "no.iso", plan.config_file, tmp_path / "other-report", ())
    with pytest.raises(UserError):
        run_plan(bad)
    assert not (tmp_path / "other-report").exists()


def test_json_report_is_plain_json(plan: Plan) -> None:
    run_plan(plan)
    data = json.loads((plan.report_dir / "report.json").read_text())
    assert data["verdict"] == "pass"
    assert data["cells"][0]["outcomes"][0]["observations"] is not None


NOWHERE = Path("/nowhere/boot-times.json")


@pytest.mark.parametrize("comparison", [Comparison(baseline=NOWHERE), Comparison(update=NOWHERE)])
def test_file_of_boot_times_that_cannot_serve_is_refused_before_anything_is_run(
    plan: Plan, comparison: Comparison
) -> None:
    with pytest.raises(UserError, match=r"cannot be read|no such directory"):
        run_plan(plan, comparison=comparison)
    assert not plan.report_dir.exists()


def test_boot_times_are_kept_where_asked(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "boot-times.json"
    assert run_plan(plan, comparison=Comparison(update=file)) == 0
    assert json.loads(file.read_text()) == {}  # no machine, no boot


class _Saboteur:
    """Makes pytest run into what nobody foresaw: in the middle of one check, and at the end of the last."""

    def pytest_runtest_call(self, item: pytest.Item) -> None:
        if item.name == "live.no-fstab":
            raise ZeroDivisionError("testpassword was here")

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        if nextitem is None:
            raise OSError("the machine would not end")


def test_what_nobody_foresaw_is_a_harness_fault_with_its_traceback(plan: Plan) -> None:
    plan.report_dir.mkdir()
    plan.audit_file.write_bytes(audit_medium(plan.medium).to_json())
    arguments = ["-c", os.devnull, "--rootdir", str(plan.report_dir), "-p", "no:cacheprovider"]
    pytest.main([*arguments, "-p", "verify.engine.plugin", str(plan.write())], plugins=[_Saboteur()])
    (cell,) = cell_reports(plan, EventReader(plan.events_file).new(), None)
    assert cell.verdict is Verdict.HARNESS_FAULT
    faults = {o.id: o for o in cell.outcomes if o.verdict is not Verdict.PASS}
    assert set(faults) == {"live.no-fstab", "harness.ending"}
    assert {fault.verdict for fault in faults.values()} == {Verdict.HARNESS_FAULT}
    assert faults["live.no-fstab"].reason == f"ZeroDivisionError: {MASK} was here"
    assert "raise ZeroDivisionError" in faults["live.no-fstab"].traceback
    assert faults["harness.ending"].requirement == "The harness ends the machine"


def test_machine_that_the_audit_says_cannot_boot_is_not_started(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "bad").mkdir()
    medium = SmallMedium(root="root=live:LABEL=OTHER").write(tmp_path / "bad")
    cell = MachineCell(Firmware.BIOS)
    assert run_plan(replace(plan, medium=medium, cells=(cell,))) == 1
    on_medium, machine = report_of(plan).cells
    assert "live.volume-label" in {o.id for o in on_medium.outcomes if o.verdict is Verdict.PRODUCT_FAILURE}
    assert machine.machine is not None
    assert machine.machine.command_line == ()
    assert machine.verdict is Verdict.PRODUCT_FAILURE
    (boot,) = [outcome for outcome in machine.outcomes if outcome.verdict is not None]
    assert boot.id == "live.boot"
    assert boot.reason.startswith("not booted: the audit found ")
    assert "OTHER" in boot.reason


def test_machine_that_is_not_booted_fails_by_itself_where_the_mediums_cell_is_run_elsewhere(
    tmp_path: Path, plan: Plan
) -> None:
    (tmp_path / "bad").mkdir()
    medium = SmallMedium(firmwares=("uefi",)).write(tmp_path / "bad")
    cell = MachineCell(Firmware.BIOS)
    assert run_plan(replace(plan, medium=medium, cells=(cell,), only=(cell.id,))) == 1
    (machine,) = report_of(plan).cells
    assert [o.id for o in machine.outcomes if o.verdict is Verdict.PRODUCT_FAILURE] == ["live.boot"]


def test_keyword_does_not_hide_why_a_machine_is_not_booted(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "bad").mkdir()
    medium = SmallMedium(firmwares=("uefi",)).write(tmp_path / "bad")
    bad = replace(plan, medium=medium, cells=(MachineCell(Firmware.BIOS),))
    assert run_plan(bad, keyword="root-overlay") == 1
    on_medium, _ = report_of(plan).cells
    assert [outcome.id for outcome in on_medium.outcomes] == ["live.boot-catalogue-bios"]


def test_audit_is_in_the_report(plan: Plan) -> None:
    run_plan(plan)
    audit = Audit.read(plan.audit_file)
    assert audit.volume_label == LABEL
    assert audit.findings == ()
