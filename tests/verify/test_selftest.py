"""The self-test's own judgement: what counts as caught, and everything that must not."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.defects import CORPUS
from mic.config import load_config
from verify.checks.content import judge_text_at_the_end, judge_words_at_the_end
from verify.expectations.expectation import Place
from verify.machine.failure import Circumstances, GuestFailed
from verify.machine.patterns import BAD_PATTERNS
from verify.machine.phase import Phase
from verify.outcome import Outcome
from verify.selftest.__main__ import chosen_media, sampled
from verify.selftest.defect import BadMedium, BootOn, Cause, Defect, GoodMedium, load_corpus, media_of
from verify.selftest.record import Record
from verify.selftest.score import Answer, Result, Score, score, summary
from verify.verdict import ProductFailure, Verdict

BASE = GoodMedium("good", "bookworm", Path("config.yaml"))
FSTAB = Defect("fstab", "fstab left", "good", (Cause("live.no-fstab", "fstab", Place.MEDIUM),), ("live.no-failed-*",))
USER = Defect("user", "user missing", "good", (Cause("user.test.exists", "no user", Place.MEDIUM),))
UNIT = Defect("unit", "a unit fails", "good", (Cause("live.no-failed-units", "broken", Place.MACHINE),), (), BootOn())


def outcome(check: str, reason: str, verdict: Verdict | None, *, cell: str = "medium") -> Outcome:
    return Outcome(cell, check, "requirement", "source", verdict, "", reason, (), 0.0, 0.0)


def red(check: str, reason: str, *, cell: str = "medium") -> Outcome:
    return outcome(check, reason, Verdict.PRODUCT_FAILURE, cell=cell)


def scores(defects: tuple[Defect, ...], *outcomes: Outcome, exit_code: int = 1, booted: bool = False) -> list[Score]:
    answer = Answer(exit_code, outcomes, booted, 1.0)
    return [result.score for result in score(BadMedium(BASE, defects), answer)]


def test_a_defect_named_for_its_own_reason_is_caught() -> None:
    assert scores((FSTAB,), red("live.no-fstab", "the rootfs has /etc/fstab")) == [Score.CAUGHT]


def test_what_the_defect_explains_may_be_red_as_well() -> None:
    explained = red("live.no-failed-units", "systemd-remount-fs", cell="bios-cd")
    assert scores((FSTAB,), red("live.no-fstab", "/etc/fstab"), explained, booted=True) == [Score.CAUGHT]


def test_nothing_red_is_a_miss() -> None:
    assert scores((FSTAB,), outcome("live.no-fstab", "", Verdict.PASS), exit_code=0) == [Score.MISSED]


def test_the_right_check_for_another_reason_is_a_wrong_cause() -> None:
    assert scores((FSTAB,), red("live.no-fstab", "the squashfs cannot be read")) == [Score.WRONG_CAUSE]


def test_the_right_check_in_the_wrong_place_is_a_wrong_cause() -> None:
    assert scores((FSTAB,), red("live.no-fstab", "/etc/fstab", cell="bios-cd"), booted=True) == [Score.WRONG_CAUSE]


def test_red_that_no_defect_explains_is_extra() -> None:
    assert scores((FSTAB,), red("live.no-fstab", "/etc/fstab"), red("live.checksum", "MD5")) == [Score.EXTRA_RED]


@pytest.mark.parametrize("verdict", [Verdict.HARNESS_FAULT, Verdict.HOST_FAULT])
def test_a_fault_beside_the_right_cause_is_no_catch(verdict: Verdict) -> None:
    fault = outcome("live.shell", "the console was lost", verdict)
    assert scores((FSTAB,), red("live.no-fstab", "/etc/fstab"), fault) == [Score.FAULT]


def test_what_was_not_reached_is_no_red() -> None:
    unreached = outcome("live.shell", "the machine did not boot", None, cell="bios-cd")
    assert scores((FSTAB,), red("live.no-fstab", "/etc/fstab"), unreached) == [Score.CAUGHT]


def test_an_exit_code_that_tells_of_no_failure_is_a_miss() -> None:
    assert scores((FSTAB,), red("live.no-fstab", "/etc/fstab"), exit_code=75) == [Score.MISSED]


def test_verify_that_did_not_answer_is_a_fault_for_every_defect() -> None:
    answer = Answer(75, (), False, 1.0, "UserError: no ISO")
    assert [r.score for r in score(BadMedium(BASE, (FSTAB, USER)), answer)] == [Score.FAULT, Score.FAULT]


def test_defects_that_share_a_medium_are_each_named_and_explain_only_their_own() -> None:
    both = (red("live.no-fstab", "/etc/fstab"), red("user.test.exists", "no user test"))
    assert scores((FSTAB, USER), *both) == [Score.CAUGHT, Score.CAUGHT]
    assert scores((FSTAB, USER), both[0]) == [Score.CAUGHT, Score.MISSED]


def test_what_only_a_boot_shows_is_not_judged_without_one() -> None:
    assert scores((FSTAB, UNIT), red("live.no-fstab", "/etc/fstab")) == [Score.CAUGHT]
    booted = red("live.no-failed-units", "broken.service", cell="bios-cd")
    assert scores((UNIT,), booted, booted=True) == [Score.CAUGHT]
    assert scores((UNIT,), exit_code=0, booted=True) == [Score.MISSED]


def test_a_control_passes_only_when_nothing_is_red() -> None:
    assert scores((), outcome("live.boot", "", Verdict.PASS), exit_code=0) == [Score.PASSED]
    assert scores((), red("live.checksum", "MD5")) == [Score.EXTRA_RED]
    assert scores((), outcome("live.shell", "lost", None), exit_code=0) == [Score.EXTRA_RED]


def test_the_summary_counts_every_score() -> None:
    answer = Answer(1, (red("live.no-fstab", "/etc/fstab"),), False, 1.0)
    results = score(BadMedium(BASE, (FSTAB, USER)), answer)
    assert summary(results) == "2 judged: 1 caught, 1 missed"
    assert summary(()) == "nothing was judged"


def test_the_same_seed_chooses_the_same_sample() -> None:
    media = chosen_media(CORPUS, None, alone=False)
    assert sampled(media, 5, 7) == sampled(media, 5, 7)
    assert sampled(media, 5, 7) != sampled(media, 5, 8)


def test_the_corpus_has_at_least_sixty_defects_of_different_names() -> None:
    names = [defect.name for defect in CORPUS.defects]
    assert len(names) == len(set(names)) >= 60


def test_defects_on_one_medium_do_not_hide_behind_each_other() -> None:
    """Two that are named by the same check and text could be caught by one red line."""
    for medium in media_of(CORPUS, CORPUS.defects):
        causes = [(cause.place, cause.check, cause.reason) for defect in medium.defects for cause in defect.causes]
        assert len(causes) == len(set(causes)), medium.name
        assert len({defect.base for defect in medium.defects}) <= 1, medium.name


def test_the_document_lists_every_defect() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "defects.md").read_text()
    rows = [f"| `{defect.name}` | {defect.what} |" for defect in CORPUS.defects]
    assert [row for row in rows if row not in text] == []
    assert text.count("\n| `") == len(rows)


def test_a_corpus_that_is_not_there_is_the_callers_mistake() -> None:
    with pytest.raises(Exception, match="there is no corpus"):
        load_corpus("fixtures.nowhere:CORPUS")


def boot_failures() -> list[GuestFailed]:
    """What `live.boot` may say: every bad pattern, every way to be stuck or to end, in every phase."""
    causes = [pattern.cause for pattern in BAD_PATTERNS]
    causes += [
        "no login prompt, and nothing new for 50 s",
        "no login prompt, nothing new for 50 s, and an idle processor",
    ]
    causes += [
        "no login prompt after 900 s",
        "the guest restarted itself",
        "the guest switched itself off (guest-shutdown)",
    ]
    return [GuestFailed(cause, Circumstances(phase, 12.3)) for cause in causes for phase in Phase]


def causes_of(check: str, place: Place) -> list[tuple[Defect, Cause]]:
    return [(d, c) for d in CORPUS.defects for c in d.causes if c.check == check and c.place is place]


def test_no_cause_is_named_by_just_any_failure_of_its_check() -> None:
    anything = ("", "it is wrong", "no such thing", "the medium has no file /some/other")
    loose = [(d.name, c.check) for d in CORPUS.defects for c in d.causes for a in anything if re.search(c.reason, a)]
    assert not loose


def test_a_boot_that_fails_names_a_defect_only_by_its_own_cause_or_phase() -> None:
    checked = causes_of("live.boot", Place.MACHINE)
    assert checked
    for defect, cause in checked:
        if "root file system of" in cause.reason:
            continue  # told by what was read of the disks, see test_whole_machine
        named = [failure for failure in boot_failures() if cause.matches("live.boot", str(failure), Place.MACHINE)]
        assert named, defect.name
        assert 1 in (len({failure.cause for failure in named}), len({failure.phase for failure in named})), defect.name


def test_a_kernel_argument_that_is_wrong_in_another_way_names_no_defect_of_the_arguments() -> None:
    configs = {medium.name: load_config(medium.config_file) for medium in CORPUS.good_media}
    checked = [pair for place in Place for pair in causes_of("kernel-arguments.asked", place)]
    assert checked
    for defect, cause in checked:
        asked = configs[defect.base].iso.kernel_command_line.arguments
        with pytest.raises(ProductFailure) as in_grub_cfg:
            judge_words_at_the_end((*asked.words, "other=1"), asked)
        with pytest.raises(ProductFailure) as in_machine:
            judge_text_at_the_end("root=live:LABEL=MIC_0 other=1", asked)
        for failure in (in_grub_cfg.value, in_machine.value):
            assert not cause.matches(cause.check, str(failure), cause.place), defect.name


# A self-test that is continued

MEDIA = media_of(CORPUS, CORPUS.defects)
FIRST, SECOND = MEDIA[0], MEDIA[1]


def result(name: str, scored: Score, *, booted: bool = True) -> Result:
    return Result(name, scored, "because", booted, 1.0)


def test_what_has_a_good_result_is_not_run_again_and_counts_in_the_score(tmp_path: Path) -> None:
    first = Record(tmp_path, resume=False)
    first.keep(FIRST, [result(FIRST.name, Score.CAUGHT)])
    first.keep(SECOND, [result(SECOND.name, Score.MISSED)])
    again = Record(tmp_path, resume=True)
    assert (again.is_done(FIRST, boots=True), again.is_done(SECOND, boots=True)) == (True, False)
    assert [one.score for one in again.results_of(MEDIA)] == [Score.CAUGHT, Score.MISSED]
    again.keep(SECOND, [result(SECOND.name, Score.CAUGHT)])
    assert [one.score for one in Record(tmp_path, resume=True).results_of(MEDIA)] == [Score.CAUGHT, Score.CAUGHT]


def test_a_run_that_is_not_resumed_forgets_what_is_there(tmp_path: Path) -> None:
    Record(tmp_path, resume=False).keep(FIRST, [result(FIRST.name, Score.CAUGHT)])
    assert not Record(tmp_path, resume=False).is_done(FIRST, boots=False)
    assert Record(tmp_path, resume=True).results_of(MEDIA) == ()


def test_a_medium_is_done_when_all_its_defects_are_and_in_a_booted_machine_if_that_is_asked(tmp_path: Path) -> None:
    record = Record(tmp_path, resume=False)
    shared = next(medium for medium in MEDIA if len(medium.defects) > 1)
    *most, last = (result(defect.name, Score.CAUGHT) for defect in shared.defects)
    record.keep(shared, most)
    assert not record.is_done(shared, boots=True)
    record.keep(shared, [last])
    assert record.is_done(shared, boots=True)
    record.keep(FIRST, [result(FIRST.name, Score.CAUGHT, booted=False)])
    assert (record.is_done(FIRST, boots=False), record.is_done(FIRST, boots=True)) == (True, False)


def test_a_result_of_a_defect_that_has_been_described_otherwise_since_counts_no_more(tmp_path: Path) -> None:
    record = Record(tmp_path, resume=False)
    record.keep(FIRST, [result(FIRST.name, Score.CAUGHT)])
    other = replace(FIRST.defects[0], causes=(Cause("live.boot", "another", Place.MEDIUM),))
    assert not record.is_done(replace(FIRST, defects=(other,)), boots=True)


def test_a_line_that_an_interruption_has_cut_loses_that_result_alone(tmp_path: Path) -> None:
    record = Record(tmp_path, resume=False)
    for medium in (FIRST, SECOND):
        record.keep(medium, [result(medium.name, Score.CAUGHT)])
    file = tmp_path / "results.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    again = Record(tmp_path, resume=True)
    assert [one.name for one in again.results_of(MEDIA)] == [FIRST.name]
    again.keep(SECOND, [result(SECOND.name, Score.CAUGHT)])
    assert len(Record(tmp_path, resume=True).results_of(MEDIA)) == 2


def test_results_that_older_code_has_found_are_told_apart(tmp_path: Path) -> None:
    record = Record(tmp_path, resume=False)
    record.keep(FIRST, [result(FIRST.name, Score.CAUGHT)])
    assert record.by_other_code(MEDIA) == 0
    file = tmp_path / "results.jsonl"
    file.write_text(re.sub(r'"code":"\w+"', '"code":"older"', file.read_text()))
    assert Record(tmp_path, resume=True).by_other_code(MEDIA) == 1


@pytest.mark.parametrize("arguments", [("--resume",), ("--all", "--resume", "-k", "label")])
def test_what_is_to_be_continued_has_to_be_named(arguments: tuple[str, ...]) -> None:
    done = selftest(*arguments)
    assert done.returncode == 2
    assert "--resume needs the --directory" in done.stderr


def test_a_finished_run_is_resumed_without_making_anything_and_its_score_is_told_again(tmp_path: Path) -> None:
    record = Record(tmp_path, resume=False)
    for medium in media_of(CORPUS, [defect for defect in CORPUS.defects if "gpt" in defect.name]):
        record.keep(medium, [result(medium.name, Score.CAUGHT)])
    done = selftest("--all", "-k", "gpt", "--resume", "--directory", str(tmp_path))
    assert (done.returncode, "3 judged: 3 caught" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "3 of 3 media have good results" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def selftest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verify.selftest", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[2])
