"""Each file of scenarios/ is built by `mic build` and proven by `mic verify`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.base import cached_image
from tests.conftest import SCENARIOS
from verify.run import run_plan
from verify.scenario import load_scenario, plan_of

pytestmark = [pytest.mark.boot, pytest.mark.image]


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
def test_scenario_is_proven(name: str, build_iso: Callable[[str, Path, Path], Path], shared_directory: Path) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    iso = build_iso(f"{scenario.config.parent.name}-{scenario.image}", cached_image(scenario.image), scenario.config)
    report = shared_directory / f"{name}-report"
    disks = tuple(cached_image(suite) for suite in scenario.other_disks)
    assert run_plan(plan_of(scenario, iso, report, disks)) == 0, f"see {report}/index.html"
