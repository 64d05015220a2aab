"""Plans and scenarios: what is to be run, read back as it was written, and every mistake named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mic.errors import UserError
from verify.expectations.extras import CommandShows, Extra
from verify.machine.firmware import Firmware
from verify.machine.spec import Attachment
from verify.plan import MachineCell, Plan, available_memory_mib, machines_side_by_side
from verify.scenario import load_scenario, plan_of
from verify.verdict import HarnessFault

SCENARIO = """\
description: Both firmwares, as CD and as stick
image: bookworm
config: config.yaml
attachments: [cd, usb]
memory_mib: [1024, 2048]
other_disks: [trixie]
expect:
- name: kernel-is-new
  requirement: The kernel is new
  command: uname -r
  contains: '6.'
"""


def write_scenario(directory: Path, text: str = SCENARIO) -> Path:
    (directory / "config.yaml").write_text("{}\n")
    path = directory / "scenario.yaml"
    path.write_text(text)
    return path


def test_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    cell = MachineCell(Firmware.UEFI, Attachment.USB_STICK, 2048, 2, (Path("/other"),))
    extra = Extra("n", "r", CommandShows("true", prints="x", as_root=True))
    plan = Plan(Path("/m.iso"), Path("/c.yaml"), tmp_path, (cell,), (extra,))
    assert Plan.read(plan.write()) == plan


def test_what_is_no_plan_is_a_harness_fault(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(HarnessFault, match="no plan"):
        Plan.read(tmp_path / "plan.json")
    with pytest.raises(HarnessFault, match="no plan"):
        Plan.read(tmp_path / "none.json")


def test_scenario_spans_the_full_product(tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    assert scenario.config == tmp_path / "config.yaml"
    plan = plan_of(scenario, Path("/m.iso"), tmp_path, (Path("/trixie.raw"),))
    assert len(plan.cells) == len({cell.id for cell in plan.cells}) == 8
    assert all(cell.other_disks == (Path("/trixie.raw"),) for cell in plan.cells)
    assert plan.extras == (Extra("kernel-is-new", "The kernel is new", CommandShows("uname -r", contains="6.")),)


def test_scenario_runs_under_both_firmwares_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert load_scenario(write_scenario(tmp_path)).firmwares == tuple(Firmware)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("image: bookworm\n", ""), "image: Field required"),
        (("image:", "imige: x\nimage:"), "imige"),
        (("[cd, usb]", "[cd, floppy]"), "attachments.1"),
        (("[cd, usb]", "[]"), "attachments"),
        (("config.yaml", "none.yaml"), "there is no file"),
        (("kernel-is-new", "kernel is new"), "expect.0.name"),
        (("image: bookworm", "image: [\n"), "no YAML"),
    ],
)
def test_mistake_in_a_scenario_is_named(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    path = write_scenario(tmp_path, SCENARIO.replace(*change))
    with pytest.raises(UserError, match=re.escape(complaint)) as caught:
        load_scenario(path)
    assert str(path) in str(caught.value)


def test_memory_and_cores_bound_the_machines_side_by_side() -> None:
    small = MachineCell(Firmware.BIOS, memory_mib=1)
    huge = MachineCell(Firmware.BIOS, memory_mib=available_memory_mib())
    assert machines_side_by_side([small] * 1000) <= 1000
    assert 1 <= machines_side_by_side([small, small]) <= 2
    assert machines_side_by_side([huge, huge]) == 1
    assert machines_side_by_side([]) == 1
    many_processors = MachineCell(Firmware.BIOS, memory_mib=1, cpus=10_000)
    assert machines_side_by_side([many_processors] * 4) == 1
