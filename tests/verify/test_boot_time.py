"""Boot times: a slow medium is told, a busy host is not mistaken for one, a baseline informs and only then decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mic.errors import UserError, UserErrors
from verify.boot_budget import BootBudget, PhaseLimit
from verify.machine.host_class import HostClass, cpu_model
from verify.outcome import Outcome
from verify.report.baseline import Baseline
from verify.report.boot_time import with_boot_times
from verify.report.model import CellReport, MachineFacts, PhaseTime
from verify.scenario import load_scenario
from verify.verdict import Verdict

HOST = HostClass("A Processor", "tcg", 2, "7.2.22")
PHASES = (
    PhaseTime("firmware", 0.0),
    PhaseTime("boot-loader", 0.2, 0.0),
    PhaseTime("kernel", 10.0, 1.0),
    PhaseTime("login", 70.0, 10.0),
)
BOOTED = Outcome("c", "live.boot", "It boots", "live", Verdict.PASS, "", "", (), 1.0, 70.0)


def cell(phases: tuple[PhaseTime, ...] = PHASES, boot: Outcome = BOOTED) -> CellReport:
    facts = MachineFacts(
        "bios", "cd", 1536, 1, (), "tcg", "no kvm", (), phases, "u", "sudo", (), (), host_class=HOST, time_scale=6.0
    )
    return CellReport("c", Verdict.PASS, (boot,), 70.0, facts)


def judged(
    phases: tuple[PhaseTime, ...] = PHASES,
    *,
    login: float | None = None,
    hard: bool = True,
    baseline: Baseline | None = None,
    tolerance: float | None = None,
) -> CellReport:
    budget = None if login is None else BootBudget((PhaseLimit("login", login),), hard)
    (result,) = with_boot_times([cell(phases)], budget, baseline, tolerance)
    return result


def notes(result: CellReport) -> str:
    assert result.machine is not None
    return "\n".join(result.machine.notes)


def baseline_of(factor: float = 1.0) -> Baseline:
    slower = tuple(replace(time, seconds=time.own_seconds * factor, delay=0.0) for time in PHASES)
    return Baseline({}).updated([cell(slower)])


def test_a_hard_budget_is_a_check_of_its_own() -> None:
    kept, passed = judged(login=10.1), judged(login=9.9)
    assert (kept.verdict, kept.outcomes[-1].id) == (Verdict.PASS, "live.boot-time")
    assert passed.verdict is Verdict.PRODUCT_FAILURE
    reason = passed.outcomes[-1].reason
    assert reason == "login after 60.0 s (70.0 s less 10.0 s that the host was busy), allowed are 59.4 s"


def test_what_a_busy_host_took_away_is_not_held_against_the_medium() -> None:
    busy = (*PHASES[:-1], PhaseTime("login", 600.0, 541.0))
    assert judged(busy, login=10).verdict is Verdict.PASS


def test_a_boot_that_waits_for_itself_is_slow_though_it_needs_no_processor() -> None:
    waiting = (*PHASES[:-1], PhaseTime("login", 160.0, 10.0))
    assert judged(waiting, login=10.1).verdict is Verdict.PRODUCT_FAILURE


def test_where_nobody_counts_a_slow_boot_is_not_the_mediums_fault() -> None:
    uncounted = (*PHASES[:-1], PhaseTime("login", 70.0, None))
    assert judged(uncounted, login=10).verdict is Verdict.HOST_FAULT
    assert judged(uncounted, login=12).verdict is Verdict.PASS


def test_a_soft_budget_warns_and_changes_no_verdict() -> None:
    result = judged(login=9, hard=False)
    assert result.verdict is Verdict.PASS
    assert len(result.outcomes) == 1
    assert "boot over budget: login after 60.0 s" in notes(result)
    assert "over budget" not in notes(judged(login=11, hard=False))


def test_a_budget_for_a_phase_that_was_never_reached_is_not_a_pass() -> None:
    outcome = judged(PHASES[:-1], login=100).outcomes[-1]
    assert (outcome.verdict, outcome.reason) == (None, "the boot was not seen to reach login")


def test_each_step_is_compared_with_the_baseline_and_decides_nothing() -> None:
    result = judged(baseline=baseline_of(0.5))
    assert result.machine is not None
    assert [time.ratio for time in result.machine.phases] == [None, None, 2.0, 2.0]
    assert result.machine.phases[-1].baseline == pytest.approx(30.0)
    assert result.verdict is Verdict.PASS


def test_with_a_tolerance_the_baseline_decides() -> None:
    assert judged(baseline=baseline_of(0.5), tolerance=2.1).verdict is Verdict.PASS
    slow = judged(baseline=baseline_of(0.5), tolerance=1.9)
    assert (slow.verdict, slow.outcomes[-1].id) == (Verdict.PRODUCT_FAILURE, "live.boot-baseline")


def test_another_kind_of_host_is_not_compared_and_says_so() -> None:
    other = Baseline({"another host": {"c": {"login": 1.0}}})
    result = judged(baseline=other, tolerance=1.0)
    assert result.verdict is Verdict.PASS
    assert "no boot of this cell on such a host: A Processor, 2 cores, QEMU 7.2.22 with tcg" in notes(result)


def test_a_baseline_file_keeps_other_hosts_and_leaves_out_boots_that_failed(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    before = Baseline({"another host": {"c": {"login": 1.0}}})
    before.updated([cell(), replace(cell(PHASES[:-1]), id="dead")]).write(file)
    read = Baseline.read(file)
    assert read.phases("another host", "c") == {"login": 1.0}
    assert read.phases(HOST.key, "c") == {"firmware": 0.0, "boot-loader": 0.2, "kernel": 9.0, "login": 60.0}
    assert read.phases(HOST.key, "dead") is None


@pytest.mark.parametrize("content", [None, "no json", '{"host": 3}'])
def test_a_file_that_is_no_baseline_is_the_users_to_mend(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "baseline.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match="baseline"):
        Baseline.read(file)


def test_a_scenario_names_its_budget_by_phase(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    (tmp_path / "config.yaml").write_text("{}\n")
    text = "description: d\nimage: i\nconfig: config.yaml\nboot_seconds: {boot_loader: 2, login: 20.0, hard: true}\n"
    path.write_text(text)
    section = load_scenario(path).boot_seconds
    assert section is not None
    budget = section.budget()
    assert (budget.limit("boot-loader", 6.0), budget.limit("kernel", 6.0), budget.hard) == (12.0, None, True)
    assert budget.words == "boot-loader 2 s, login 20 s"


def test_a_budget_that_is_no_time_is_named_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}\n")
    path = tmp_path / "scenario.yaml"
    path.write_text(
        "description: d\nimage: i\nconfig: config.yaml\nboot_seconds: {logon: 2, kernel: soon, initrd: 0}\n"
    )
    with pytest.raises(UserErrors) as caught:
        load_scenario(path)
    assert [str(error).split(": ", 1)[1] for error in caught.value.errors] == [
        "boot_seconds.logon: unknown key (did you mean login?)",
        "boot_seconds.kernel: must be a number of seconds, not text",
        "boot_seconds.initrd: must be a number of seconds above 0",
    ]


def test_the_processor_is_named_by_its_model() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Fast  CPU @ 3 GHz\nmodel name\t: other\n") == "Fast CPU @ 3 GHz"
    assert cpu_model("processor: 0\n") == "unknown"
