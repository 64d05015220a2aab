"""Each file of scenarios/ is built by `mic build` and proven by `mic verify`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fixtures.base import cached_image
from fixtures.scenario_packages import build_packages
from tests.conftest import SCENARIOS, BuildIso
from tests.verify_console.test_asciicast import Recording
from verify.report.model import Report
from verify.run import run_plan
from verify.scenario import load_scenario, plan_of

pytestmark = [pytest.mark.boot, pytest.mark.image]


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
def test_scenario_is_proven(name: str, build_iso: BuildIso, shared_directory: Path) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    disks = tuple(cached_image(suite) for suite in scenario.other_disks)
    options = scenario.build_options([build_packages(name, shared_directory / name) for name in scenario.deb_sources])
    for source in scenario.cells_by_medium(disks):
        assert source.image is not None, "these scenarios are built from base images"
        iso = build_iso(source.name, cached_image(source.image), source.config, options)
        report = shared_directory / f"{name}-{source.name}-report"
        assert run_plan(plan_of(scenario, iso, report, disks, source)) == 0, f"see {report}/index.html"
        assert_the_evidence_is_whole(report)


def assert_the_evidence_is_whole(report_dir: Path) -> None:
    """Every machine has left its journal, a recording, a picture of each phase, and marks for each check."""
    report = Report.from_json((report_dir / "report.json").read_bytes())
    for cell in report.cells:
        if cell.machine is None:
            continue
        evidence = report_dir / "cells" / cell.id
        assert "systemd[1]: Reached target" in (evidence / "journal.log").read_text()
        recording = Recording.read(evidence / "console.cast")
        assert "Linux version" in recording.shown
        assert "login: " in recording.shown
        assert not re.search(r"%[a-z0-9]{8} [lks]\b", recording.shown), "frames of the shell protocol are recorded"
        # A machine that was booted again for another way in has the first boot's records beside its own.
        recordings = [Recording.read(path) for path in evidence.glob("*console.cast")]
        marks = [text for one in recordings for _, code, text in one.events if code == "m"]
        timed = "".join(path.read_text() for path in evidence.glob("*serial-timed.log"))
        for outcome in cell.outcomes:
            for mark in (f"check {outcome.id} begins", f"check {outcome.id}: pass"):
                assert mark in marks
                assert f"=== {mark}\n" in timed
        pictures = {Path(name).stem for name in cell.machine.screenshots}
        assert {"screen-boot-loader", "screen-kernel", "screen-userspace", "screen-login"} <= pictures
        assert cell.machine.phases[-1].phase == "login"
        assert cell.machine.phases[-1].delay is not None
