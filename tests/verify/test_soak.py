"""The count of false alarms: whatever is no pass counts, and no boot at all is no clean result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.verify.conftest import EXAMPLE_1, WriteConfig
from tests.verify.small_medium import SmallMedium
from tests.verify.test_report import CELL, outcome
from verify import soak
from verify.machine.firmware import Firmware
from verify.report.model import CellReport, MachineFacts, PhaseTime
from verify.soak import Soak, soak_cells
from verify.verdict import Verdict


def cell(verdict: Verdict, login: float | None = None) -> CellReport:
    phases = () if login is None else (PhaseTime("firmware", 0.0), PhaseTime("login", login))
    facts = MachineFacts("uefi", "cd", 1536, 1, (), "tcg", "", (), phases, "", "", (), ())
    outcomes = (outcome("boot", Verdict.PASS), outcome("user", verdict, "because of noise\nand more"))
    return CellReport(CELL.id, verdict, outcomes, 60.0, facts)


def test_every_boot_is_a_machine_of_its_own_and_firmwares_take_turns() -> None:
    cells = soak_cells(5, (Firmware.BIOS, Firmware.UEFI))
    assert len({cell.id for cell in cells}) == 5
    assert [cell.firmware for cell in cells].count(Firmware.BIOS) == 3


def test_boots_that_pass_are_clean_and_bound_the_rate() -> None:
    found = Soak.of([cell(Verdict.PASS, 40.0), cell(Verdict.PASS, 50.0), cell(Verdict.PASS, 90.0)])
    assert found.clean
    assert "3 boots of a good medium: 0 with a false alarm" in found.lines()
    assert "seconds to the login prompt: 40.0 to 90.0, median 50.0" in found.lines()


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASS])
def test_every_kind_of_alarm_counts_and_is_named(verdict: Verdict) -> None:
    found = Soak.of([cell(Verdict.PASS), cell(verdict), cell(verdict)])
    assert not found.clean
    assert "3 boots of a good medium: 2 with a false alarm" in found.lines()
    assert f"  2 x {verdict.value}: user: because of noise" in found.lines()


def test_an_alarm_of_the_mediums_own_cell_counts() -> None:
    medium = replace(cell(Verdict.PRODUCT_FAILURE), id="medium", machine=None)
    assert not Soak.of([medium, cell(Verdict.PASS)]).clean


def test_no_boot_at_all_is_not_clean() -> None:
    assert not Soak.of([]).clean


def test_a_usage_error_is_a_sentence_and_exit_code_2(
    tmp_path: Path, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["soak", str(tmp_path / "no.iso"), "--config-file", str(write_config(EXAMPLE_1))])
    with pytest.raises(SystemExit) as ended:
        soak.main()
    assert ended.value.code == 2
    assert "soak: " in capsys.readouterr().err


def test_a_medium_whose_machine_cannot_boot_is_not_clean(
    tmp_path: Path, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real run of one boot: the small medium has no loader for UEFI."""
    iso = SmallMedium().write(tmp_path)
    options = ["--config-file", str(write_config(EXAMPLE_1)), "--boots", "1", "--firmware", "uefi"]
    monkeypatch.setattr("sys.argv", ["soak", str(iso), *options, "--report-dir", str(tmp_path / "report")])
    with pytest.raises(SystemExit) as ended:
        soak.main()
    assert ended.value.code == 1
    assert "1 boots of a good medium: 1 with a false alarm" in capsys.readouterr().out
