"""`mic verify` can fail: each defect is caught, for its own reason, and nothing else turns red."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures import bad_media
from tests.conftest import SCENARIOS
from verify.machine.firmware import Firmware
from verify.run import verify

pytestmark = [pytest.mark.boot, pytest.mark.image]

CONFIG = SCENARIOS / "example1" / "config.yaml"


@dataclass(frozen=True)
class Line:
    """One check of a report, as far as the tests look at it."""

    cell: str
    id: str
    verdict: str | None
    reason: str


def verified(medium: Path, report: Path) -> tuple[int, list[Line]]:
    """The exit code and all lines of the report, for one machine under BIOS, which boots quickest."""
    code = verify(medium, CONFIG, [Firmware.BIOS], report)
    cells = json.loads((report / "report.json").read_text())["cells"]
    lines = [
        Line(outcome["cell"], outcome["id"], outcome["verdict"], outcome["reason"])
        for cell in cells
        for outcome in cell["outcomes"]
    ]
    return code, lines


def failed(lines: list[Line]) -> dict[str, str]:
    """The ids of product failures, with their reasons."""
    return {line.id: line.reason for line in lines if line.verdict == "product failure"}


def test_defects_of_one_boot_are_each_named(example1: Path, tmp_path: Path) -> None:
    """An fstab left in and the cloud-init data missing: one boot, two causes."""
    step, bad = tmp_path / "step.iso", tmp_path / "bad.iso"
    bad_media.change_rootfs(example1, step, bad_media.leave_fstab_in)
    bad_media.remaster(step, bad, files={"/cloud-init-data": None})
    code, lines = verified(bad, tmp_path / "report")
    assert code == 1
    causes = failed(lines)
    assert {"live.no-fstab", "file.iso./cloud-init-data/user-data"} <= set(causes)
    assert any(id.startswith("cloud-init.") for id in causes)
    explained = ("live.no-fstab", "live.no-failed-units", "file.iso.", "cloud-init.", "user.clouduser.", "host-name.")
    assert not [id for id in causes if not id.startswith(explained)]


def test_argument_cut_by_grub_is_caught(example1: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.iso"
    dict_of = {defect.name: defect for defect in bad_media.defects_of_example1()}
    dict_of["argument-cut"].make(example1, bad)
    code, lines = verified(bad, tmp_path / "report")
    assert code == 1
    assert "kernel-arguments.asked" in failed(lines)
    assert "live.no-fstab" not in failed(lines)


def test_missing_user_is_caught(example1: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.iso"
    bad_media.change_rootfs(example1, bad, bad_media.remove_user("test"))
    code, lines = verified(bad, tmp_path / "report")
    assert code == 1
    assert any(id.startswith("user.test.") for id in failed(lines))


def test_wrong_label_is_caught_and_named_as_what_stops_the_boot(example1: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.iso"
    bad_media.change_volume_label(example1, bad, "MIC_00000000")
    code, lines = verified(bad, tmp_path / "report")
    assert code == 1
    causes = failed(lines)
    assert "live.volume-label" in causes
    assert "live.boot" in causes
    unreached = [line for line in lines if line.verdict is None]
    assert unreached, "what needs a booted machine is told as not reached, neither passed nor failed again"
    assert all(line.reason for line in unreached)
