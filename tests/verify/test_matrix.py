"""A plan's cells run anywhere, each by itself, and what came of them is joined without a pass too many."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator

from mic.errors import UserError
from tests.verify.conftest import EXAMPLE_1, WriteConfig
from tests.verify.small_medium import SmallMedium
from verify.matrix.cell_run import Result, shard
from verify.matrix.kubernetes import JobSettings, job_manifest
from verify.matrix.merge import Merged, merge
from verify.matrix.plan_file import plan_digest, read_matrix_plan
from verify.outcome import Outcome
from verify.report.model import CellReport, MachineFacts, Report
from verify.verdict import Verdict

ROOT = Path(__file__).resolve().parent.parent.parent


def mic(*arguments: str | Path, limit_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the program as its users do, with files of at most `limit_bytes`."""
    command = [sys.executable, "-m", "mic.cli", *map(str, arguments)]
    limit: Callable[[], None] | None = None
    if limit_bytes is not None:
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))  # noqa: E731
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, preexec_fn=limit)


@pytest.fixture
def plan_file(tmp_path: Path, write_config: WriteConfig) -> Path:
    """A plan of a small medium that is good as it lies there, and boots nowhere but under UEFI: two cells."""
    iso = SmallMedium(firmwares=("uefi", "bios")).write(tmp_path)
    plan = tmp_path / "plan.json"
    done = mic("verify", "plan", iso, "--config-file", write_config(EXAMPLE_1), "--firmware", "bios", "--output", plan)
    assert (done.returncode, done.stdout) == (0, "   0 small.medium\n   1 small.bios-cd-1536mib-1cpu\n")
    return plan


def run(plan_file: Path, cell: str, into: Path, *options: str) -> int:
    return mic("verify", "run", plan_file, "--cell", cell, "--report-dir", into, *options).returncode


def changed(result: Path, change: Callable[[dict[str, object]], None], name: str = "report.json") -> None:
    content = json.loads((result / name).read_text())
    change(content)
    (result / name).write_text(json.dumps(content))


def joined(tmp_path: Path, *results: Path, plan: Path | None = None) -> Merged:
    return merge(results, tmp_path / "joined", plan)


def test_plan_can_be_moved_with_its_files(tmp_path: Path, plan_file: Path) -> None:
    names = ("plan.json", "small.iso", "config.yaml", "cloud-init-data")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in names:
        (tmp_path / name).rename(elsewhere / name)
    assert str(tmp_path) not in (elsewhere / "plan.json").read_text()
    read_matrix_plan(elsewhere / "plan.json").media[0].require_unchanged()


SCENARIO_WITH_A_DISK = """\
description: Another system is attached
media: [{iso: small.iso, config: config.yaml}]
other_disks: [trixie]
firmwares: [bios]
"""


@pytest.fixture
def with_a_disk(tmp_path: Path, write_config: WriteConfig) -> Path:
    """A scenario that names another disk by its suite, which no path says where it lies; the disk is a file."""
    (tmp_path / "media").mkdir()
    SmallMedium(firmwares=("uefi", "bios")).write(tmp_path).rename(tmp_path / "media/small.iso")
    write_config(EXAMPLE_1)
    for name in ("config.yaml", "cloud-init-data"):
        (tmp_path / name).rename(tmp_path / "media" / name)
    (tmp_path / "media/installed.raw").write_bytes(b"a system" * 512)
    scenario = tmp_path / "media/scenario.yaml"
    scenario.write_text(SCENARIO_WITH_A_DISK)
    return scenario


def test_other_disk_of_a_scenario_is_given_by_name_and_goes_with_the_plan(tmp_path: Path, with_a_disk: Path) -> None:
    plan, disk = tmp_path / "media/plan.json", tmp_path / "media/installed.raw"
    done = mic("verify", "plan", with_a_disk, "--output", plan)
    assert done.returncode == 2
    assert "--other-disk trixie=PATH" in done.stderr
    done = mic("verify", "plan", with_a_disk, "--output", plan, "--other-disk", f"trixie={disk}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "   1 scenario.bios-cd-1536mib-1cpu-1disk"
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "media").rename(elsewhere)
    moved = read_matrix_plan(elsewhere / "plan.json")
    assert moved.cells[1].machine is not None
    assert moved.cells[1].machine.other_disks == (elsewhere / "installed.raw",)
    moved.media[0].require_unchanged()
    (elsewhere / "installed.raw").write_bytes(b"another one" * 512)
    with pytest.raises(UserError, match="not the file that the plan was made for"):
        moved.media[0].require_unchanged()


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("trixie", "--other-disk trixie is not NAME=PATH"),
        ("sid={disk}", "no scenario names another disk sid"),
        ("trixie={disk}.gone", "there is no file"),
    ],
)
def test_other_disk_that_cannot_be_meant_is_refused(
    tmp_path: Path, with_a_disk: Path, option: str, complaint: str
) -> None:
    disk = tmp_path / "media/installed.raw"
    given = option.format(disk=disk)
    done = mic("verify", "plan", with_a_disk, "--output", tmp_path / "p.json", "--other-disk", given)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert not (tmp_path / "p.json").exists()


@pytest.mark.parametrize("name", ["small.iso", "config.yaml", "cloud-init-data/meta-data"])
def test_cell_does_not_run_against_other_files_than_planned(tmp_path: Path, plan_file: Path, name: str) -> None:
    with (tmp_path / name).open("a") as file:
        file.write("\n")
    done = mic("verify", "run", plan_file, "--cell", "0", "--report-dir", tmp_path / "r")
    assert done.returncode == 2
    assert "this is not the file that the plan was made for" in done.stderr
    assert not (tmp_path / "r/report.json").exists()


def test_cell_is_named_by_number_or_id_and_a_wrong_one_gets_a_hint(plan_file: Path) -> None:
    plan = read_matrix_plan(plan_file)
    assert [plan.cell("1"), plan.cell("small.medium")] == [plan.cells[1], plan.cells[0]]
    with pytest.raises(UserError, match=r"did you mean small\.medium"):
        plan.cell("small.mediun")
    with pytest.raises(UserError, match="no cell 2"):
        plan.cell("2")


def test_shards_are_all_cells_and_none_twice() -> None:
    cells: list[object] = list(range(7))
    parts = [shard(cells, f"{number}/3") for number in (1, 2, 3)]  # type: ignore[arg-type]
    assert sorted(cell for part in parts for cell in part) == cells  # type: ignore[type-var]
    for wrong in ("0/3", "4/3", "x", "1/2/3"):
        with pytest.raises(ValueError, match=r"\d|x|unpack"):
            shard([], wrong)


@pytest.mark.boot
def test_all_cells_as_processes_of_their_own_make_one_report(tmp_path: Path, plan_file: Path) -> None:
    results = tmp_path / "results"
    assert run(plan_file, "0", results / "pod-a") == 0
    assert run(plan_file, "small.bios-cd-1536mib-1cpu", results / "pod-b") == 1
    done = mic("verify", "merge", results, "--report-dir", tmp_path / "joined")
    assert done.returncode == 1, done.stdout + done.stderr
    merged = json.loads((tmp_path / "joined/report.json").read_text())
    assert [cell["verdict"] for cell in merged["cells"]] == ["pass", "product failure"]
    page = (tmp_path / "joined/index.html").read_text()
    for cell in merged["cells"]:
        assert (tmp_path / "joined" / cell["tries"][0]["evidence"] / "index.html").is_file()
        assert f'href="{cell["tries"][0]["evidence"]}/index.html"' in page
    suite = ElementTree.parse(tmp_path / "joined/junit.xml").getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "1")


def test_cell_without_a_result_is_a_harness_fault(tmp_path: Path, plan_file: Path) -> None:
    assert run(plan_file, "0", tmp_path / "a") == 0
    merged = joined(tmp_path, tmp_path / "a")
    assert [cell.verdict for cell in merged.cells] == [Verdict.PASS, Verdict.HARNESS_FAULT]
    assert merged.verdict is Verdict.HARNESS_FAULT
    assert mic("verify", "merge", tmp_path / "a", "--report-dir", tmp_path / "joined").returncode == 75


def test_no_result_at_all_is_no_pass(tmp_path: Path, plan_file: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert mic("verify", "merge", tmp_path / "empty", "--report-dir", tmp_path / "j").returncode == 2
    assert joined(tmp_path, tmp_path / "empty", plan=plan_file).verdict is Verdict.HARNESS_FAULT


def test_run_that_came_to_no_end_is_a_harness_fault(tmp_path: Path, plan_file: Path) -> None:
    assert run(plan_file, "0", tmp_path / "a") == 0
    (tmp_path / "a/report.json").write_text('{"verdict": "pass"')
    (cell, _) = joined(tmp_path, tmp_path / "a").cells
    assert cell.verdict is Verdict.HARNESS_FAULT
    assert "left no report" in cell.tries[0].reasons[0]


def test_later_run_makes_good_for_a_fault_but_not_for_a_failure(tmp_path: Path, plan_file: Path) -> None:
    assert run(plan_file, "0", tmp_path / "b") == 0
    shutil.copytree(tmp_path / "b", tmp_path / "a")

    def fault(report: dict[str, object]) -> None:
        report.update(verdict="harness fault", begun=1.0)

    changed(tmp_path / "a", fault)
    (cell, _) = joined(tmp_path, tmp_path / "a", tmp_path / "b").cells
    assert (cell.verdict, cell.words, len(cell.tries)) == (Verdict.PASS, "pass at the 2nd of 2 runs", 2)
    changed(tmp_path / "a", lambda report: report.update(verdict="product failure"))
    (cell, _) = joined(tmp_path, tmp_path / "a", tmp_path / "b").cells
    assert cell.verdict is Verdict.PRODUCT_FAILURE


def test_results_of_another_plan_or_medium_are_refused(tmp_path: Path, plan_file: Path) -> None:
    assert run(plan_file, "0", tmp_path / "a") == 0
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    changed(tmp_path / "b", lambda report: report.update(medium_sha256="0" * 64))
    with pytest.raises(UserError, match="another medium"):
        joined(tmp_path, tmp_path / "a", tmp_path / "b")
    changed(tmp_path / "b", lambda result: result.update(plan_sha256="0" * 64), "result.json")
    with pytest.raises(UserError, match="another plan"):
        joined(tmp_path, tmp_path / "a", tmp_path / "b")


def test_results_of_different_keywords_are_refused(tmp_path: Path, plan_file: Path) -> None:
    assert run(plan_file, "0", tmp_path / "a") == 0
    assert run(plan_file, "0", tmp_path / "b", "-k", "fstab") == 0
    with pytest.raises(UserError, match="different -k"):
        joined(tmp_path, tmp_path / "a", tmp_path / "b")


@pytest.fixture
def two_machines(tmp_path: Path, plan_file: Path) -> Path:
    """A plan with two machines."""
    iso, config, plan = tmp_path / "small.iso", tmp_path / "config.yaml", tmp_path / "two.json"
    firmwares = ("--firmware", "bios", "--firmware", "uefi")
    assert mic("verify", "plan", iso, "--config-file", config, *firmwares, "--output", plan).returncode == 0
    return plan


def booted(plan_file: Path, cell: str, digest: str, into: Path, *, begun: float) -> Path:
    """A result of a machine that has passed and had a machine-id of that digest: what a boot would leave."""
    planned = read_matrix_plan(plan_file).cell(cell)
    machine = MachineFacts("bios", "cd", 1536, 1, (), "tcg", "", (), (), "", "", (), (), machine_id_digest=digest)
    outcome = Outcome(planned.own_id, "live.boot", "boots", "test", Verdict.PASS, "", "", (), begun, 1.0)
    cells = (CellReport(planned.own_id, Verdict.PASS, (outcome,), 1.0, machine),)
    sha256 = planned.medium.medium_sha256
    report = Report(Verdict.PASS, "small.iso", sha256, 1, "c.yaml", begun, 1.0, 1, None, cells, "0")
    into.mkdir(parents=True)
    (into / "report.json").write_bytes(report.to_json())
    (into / "result.json").write_bytes(Result(plan_digest(plan_file), planned.id).to_json())
    (into / "matrix.json").write_bytes(plan_file.read_bytes())
    return into


def test_machines_of_different_runs_with_one_machine_id_fail_both_and_name_each_other(
    tmp_path: Path, two_machines: Path
) -> None:
    first, second = (cell.id for cell in read_matrix_plan(two_machines).cells[1:])
    one = booted(two_machines, "1", "a" * 64, tmp_path / "r/one", begun=1.0)
    two = booted(two_machines, "2", "a" * 64, tmp_path / "r/two", begun=1.0)
    merged = joined(tmp_path, one, two)
    assert [cell.verdict for cell in merged.cells[1:]] == [Verdict.PRODUCT_FAILURE] * 2
    for cell, other in zip(merged.cells[1:], (second, first), strict=True):
        assert cell.tries[-1].reasons[-1].endswith(f"its machine id is also that of {other}")
        assert "live.machine-id" in merged.summary()
    assert merged.verdict is Verdict.PRODUCT_FAILURE
    # Of a shard, the cells that it has.
    only = read_matrix_plan(two_machines).cells[1:2]
    assert [cell.id for cell in merge((one, two), tmp_path / "shard", None, only).cells] == [first]


def test_machines_with_ids_of_their_own_or_none_told_pass(tmp_path: Path, two_machines: Path) -> None:
    for name, digests in (("different", ("a" * 64, "b" * 64)), ("unknown", ("", ""))):
        results = [
            booted(two_machines, str(number), digest, tmp_path / name / str(number), begun=1.0)
            for number, digest in enumerate(digests, start=1)
        ]
        merged = joined(tmp_path, *results)
        assert [cell.verdict for cell in merged.cells[1:]] == [Verdict.PASS] * 2, name


def test_cell_that_has_one_machine_id_in_two_boots_fails_and_a_copy_of_a_result_is_no_second_boot(
    tmp_path: Path, two_machines: Path
) -> None:
    one = booted(two_machines, "1", "a" * 64, tmp_path / "one", begun=1.0)
    shutil.copytree(one, tmp_path / "copy")
    assert joined(tmp_path, one, tmp_path / "copy").cells[1].verdict is Verdict.PASS
    again = booted(two_machines, "1", "a" * 64, tmp_path / "again", begun=2.0)
    (_, cell, _) = joined(tmp_path, one, again).cells
    assert cell.verdict is Verdict.PRODUCT_FAILURE
    assert "also that of another boot of this cell" in cell.tries[-1].reasons[-1]


def test_shard_of_a_plan_is_run_on_one_machine(tmp_path: Path, plan_file: Path) -> None:
    into = tmp_path / "r"
    done = mic("verify", "run", plan_file, "--shard", "1/2", "--report-dir", into)
    assert done.returncode == 0, done.stdout + done.stderr
    merged = json.loads((into / "report.json").read_text())
    assert [cell["id"] for cell in merged["cells"]] == ["small.medium"]


def test_full_disk_is_never_taken_for_a_wrong_medium(tmp_path: Path, plan_file: Path) -> None:
    iso, config = tmp_path / "small.iso", tmp_path / "config.yaml"
    for limit in (4096, 30_000):
        done = mic(
            "verify", iso, "--config-file", config, "--firmware", "bios", "-k", "medium", "--report-dir",
            tmp_path / "r", limit_bytes=limit,
        )  # fmt: skip
        assert done.returncode in (2, 75), f"{limit}: {done.returncode} {done.stderr}"
        assert done.returncode == 75 or "cannot be written" in done.stderr


def test_medium_that_is_changed_while_it_is_verified_gives_no_report(tmp_path: Path, plan_file: Path) -> None:
    iso, config, into = tmp_path / "small.iso", tmp_path / "config.yaml", tmp_path / "r"

    def change_once_audited() -> None:
        while not (into / "audit.json").exists():
            time.sleep(0.01)
        with iso.open("r+b") as file:
            file.write(b"\0")

    changing = threading.Thread(target=change_once_audited)
    changing.start()
    done = mic("verify", iso, "--config-file", config, "-k", "medium", "--report-dir", into)
    changing.join()
    assert done.returncode == 2, done.stdout
    assert "small.iso: the file was changed while it was verified" in done.stderr
    assert not (into / "report.json").exists()


def test_iso_is_verified_without_naming_a_command_and_no_check_is_no_pass(tmp_path: Path, plan_file: Path) -> None:
    iso, config = tmp_path / "small.iso", tmp_path / "config.yaml"
    done = mic("verify", iso, "--config-file", config, "-k", "nothing-is-called-so", "--report-dir", tmp_path / "r")
    assert done.returncode == 75, done.stderr
    assert "no check was run" in done.stdout


def test_job_is_what_kubernetes_takes_and_retries_faults_only(plan_file: Path) -> None:
    plan = read_matrix_plan(plan_file)
    settings = JobSettings("registry.example/mic:1", "verify", "plan.json", kvm_resource="devices.kubevirt.io/kvm")
    job = yaml.safe_load(job_manifest(plan, settings))
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    spec = job["spec"]
    assert (spec["completions"], spec["completionMode"], spec["backoffLimitPerIndex"]) == (2, "Indexed", 2)
    rules = {
        code: rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {}).get("values", ())
    }
    assert rules == {1: "FailIndex", 2: "FailIndex", 75: "Count"}
    resources = spec["template"]["spec"]["containers"][0]["resources"]
    assert int(resources["limits"]["memory"].removesuffix("Mi")) > 1536
    del job["spec"]["completions"], job["spec"]["template"]["spec"]["containers"][0]["name"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


def test_workflow_is_what_github_takes() -> None:
    text = (ROOT / "docs/ci/github-actions.yml").read_text()
    validator = Draft7Validator(get_builtin_schema("vendor.github-workflows"))
    # In YAML 1.1 the key `on` is a boolean; the loader that leaves all as text knows it by its name.
    workflow = yaml.safe_load(text)
    workflow["on"] = yaml.load(text, Loader=yaml.BaseLoader)["on"]
    del workflow[True]
    assert [error.message for error in validator.iter_errors(workflow)] == []
    assert workflow["jobs"]["merge"]["if"] == "always()"
    assert not validator.is_valid({**workflow, "jobs": {"x": {"steps": "no"}}})
