"""Plans and scenarios: what is to be run, read back as it was written, and every mistake named."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from mic.errors import UserError, UserErrors
from tests.conftest import SCENARIOS
from verify.expectations.extras import CommandShows, Extra
from verify.host import Host
from verify.machine.firmware import Firmware
from verify.machine.spec import Attachment
from verify.matrix.planning import plan_scenarios
from verify.plan import MachineCell, Plan, machines_side_by_side
from verify.scenario import load_scenario, plan_of, scenario_schema
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
    plan = plan_of(scenario, Path("/m.iso"), tmp_path, (Path("/trixie.raw"),))
    assert plan.config_file == tmp_path / "config.yaml"
    assert len(plan.cells) == len({cell.id for cell in plan.cells}) == 8
    assert all(cell.other_disks == (Path("/trixie.raw"),) for cell in plan.cells)
    assert plan.extras == (Extra("kernel-is-new", "The kernel is new", CommandShows("uname -r", contains="6.")),)


def test_scenario_runs_under_both_firmwares_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert load_scenario(write_scenario(tmp_path)).firmwares == tuple(Firmware)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("image: bookworm\n", ""), "1:1: image: is required, but missing (or media"),
        (("image:", "imige: x\nimage:"), "2:1: imige: unknown key (did you mean image?)"),
        (("[cd, usb]", "[cd, floppy]"), "4:19: attachments[1]: must be one of cd, "),
        (
            ("[cd, usb]", "[cd, virtio-disc]"),
            "attachments[1]: must be one of cd, scsi-cd, usb, virtio-disk, sata-disk (",
        ),
        (("[cd, usb]", "[cd, cd]"), "4:19: attachments[1]: is given twice"),
        (("[cd, usb]", "[]"), "4:14: attachments: is an empty list"),
        (("[1024, 2048]", "[1024, 2]"), "5:20: memory_mib[1]: must be a whole number MiB from 64"),
        (("config.yaml", "none.yaml"), "3:9: config: there is no file"),
        (("kernel-is-new", "kernel is new"), "8:9: expect[0].name: must be small letters"),
        (("  command: uname -r\n", ""), "8:3: expect[0].command: is required, but missing"),
        (("image: bookworm", "image: [\n"), "is missing, in what began in line 2"),
        (("image: bookworm", "image: bookworm\nmedia: []"), "3:8: media: is an empty list"),
        (
            ("memory_mib", "combine: pair\nmemory_mib"),
            "5:10: combine: must be one of product, pairs (did you mean pairs?)",
        ),
    ],
)
def test_mistake_in_a_scenario_is_named_at_its_place(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    path = write_scenario(tmp_path, SCENARIO.replace(*change))
    with pytest.raises(UserError, match=re.escape(complaint)) as caught:
        load_scenario(path)
    assert str(path) in str(caught.value)


def test_all_mistakes_of_a_scenario_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = SCENARIO.replace("[cd, usb]", "[cd, floppy]").replace("image:", "imige:").replace("uname -r", "''")
    with pytest.raises(UserErrors) as caught:
        load_scenario(write_scenario(tmp_path, text))
    paths = [str(error).split(": ")[1] for error in caught.value.errors]
    assert paths == ["image", "imige", "attachments[1]", "expect[0].command"]


def test_images_and_configurations_span_media_of_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "second/config.yaml").write_text("{}\n")
    text = SCENARIO.replace("image: bookworm", "image: [bookworm, ../disks/my image.qcow2]")
    text = text.replace("config: config.yaml", "config: [config.yaml, second/config.yaml]")
    cells = load_scenario(write_scenario(tmp_path, text)).cells_by_medium([Path("/trixie.raw")])
    here = re.sub("[^A-Za-z0-9_-]+", "-", tmp_path.name)
    names = [medium.name for medium in cells]
    assert names == [f"{here}-bookworm", "second-bookworm", f"{here}-my-image", "second-my-image"]
    assert {len(machines) for machines in cells.values()} == {8}


def test_pairs_meet_and_are_fewer_than_the_product(tmp_path: Path) -> None:
    text = SCENARIO.replace("image: bookworm", "image: [bookworm, trixie]\ncombine: pairs")
    cells = load_scenario(write_scenario(tmp_path, text)).cells_by_medium([Path("/trixie.raw")])
    rows = [
        (medium.image, cell.firmware, cell.attachment, cell.memory_mib)
        for medium, machines in cells.items()
        for cell in machines
    ]
    assert len(rows) < 16
    for one, other in combinations(range(4), 2):
        assert len({(row[one], row[other]) for row in rows}) == 4


def test_media_that_are_there_take_the_place_of_image_and_config(tmp_path: Path) -> None:
    (tmp_path / "live.iso").write_text("")
    text = SCENARIO.replace("image: bookworm\nconfig: config.yaml", "media: [{iso: live.iso, config: config.yaml}]")
    (medium,) = load_scenario(write_scenario(tmp_path, text)).cells_by_medium([Path("/trixie.raw")])
    assert (medium.name, medium.iso, medium.config) == ("live", tmp_path / "live.iso", tmp_path / "config.yaml")
    path = write_scenario(
        tmp_path, text.replace("iso: live.iso", "iso: dead.iso").replace("memory", "image: x\nmemory")
    )
    with pytest.raises(UserErrors) as caught:
        load_scenario(path)
    assert "media[0].iso: there is no file" in str(caught.value)
    assert "image: media and its own config stand instead of it" in str(caught.value)


def test_schema_takes_what_is_read_and_refuses_what_is_not() -> None:
    validator = Draft7Validator(json.loads(scenario_schema()))
    Draft7Validator.check_schema(validator.schema)
    for path in SCENARIOS.glob("*.yaml"):
        validator.validate(yaml.safe_load(path.read_text()))
    scenario = yaml.safe_load(SCENARIO)
    validator.validate(scenario | {"image": ["a", "b"], "firmwares": "bios", "combine": "pairs"})
    for wrong in ({"imige": "x"}, {"firmwares": ["uefy"]}, {"combine": "pair"}, {"memory_mib": "much"}):
        assert not validator.is_valid(scenario | wrong), wrong


def test_memory_and_cores_bound_the_machines_side_by_side() -> None:
    small = MachineCell(Firmware.BIOS, memory_mib=1)
    huge = MachineCell(Firmware.BIOS, memory_mib=Host().available_memory_mib())
    assert machines_side_by_side([small] * 1000) <= 1000
    assert 1 <= machines_side_by_side([small, small]) <= 2
    assert machines_side_by_side([huge, huge]) == 1
    assert machines_side_by_side([]) == 1
    many_processors = MachineCell(Firmware.BIOS, memory_mib=1, cpus=10_000)
    assert machines_side_by_side([many_processors] * 4) == 1


def test_what_is_not_built_is_told_with_the_command_that_builds_it_packages_and_all(tmp_path: Path) -> None:
    text = SCENARIO.replace(
        "other_disks: [trixie]\n", "deb_sources: [debs, 'more debs']\nbase_image_repositories: no\n"
    )
    with pytest.raises(UserErrors) as caught:
        plan_scenarios([write_scenario(tmp_path, text)], tmp_path)
    assert "--deb-source debs --deb-source 'more debs' --disable-base-image-rpm-repos" in str(caught.value)


def test_a_scenario_without_packages_is_built_without_options_for_them(tmp_path: Path) -> None:
    scenario = load_scenario(write_scenario(tmp_path))
    assert scenario.build_options(scenario.deb_sources) == ()
