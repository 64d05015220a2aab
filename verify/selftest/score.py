"""Judges what verify said of a medium whose defects are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from verify.expectations.expectation import Place
from verify.outcome import Outcome
from verify.plan import place_of
from verify.selftest.defect import BadMedium, Defect
from verify.verdict import Verdict


class Score(Enum):
    """How well verify did on one defect; everything but the first two is a miss."""

    CAUGHT = "caught"
    PASSED = "passed"
    MISSED = "missed"
    WRONG_CAUSE = "wrong cause"
    EXTRA_RED = "extra red"
    FAULT = "fault"

    @property
    def is_good(self) -> bool:
        return self in (Score.CAUGHT, Score.PASSED)


@dataclass(frozen=True)
class Result:
    """The score of one defect, or of a control, and the line that tells why."""

    name: str
    score: Score
    why: str
    booted: bool
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What verify said: its exit code and every outcome; `booted` whether a machine was asked for.

    `failure` is what kept verify from answering at all, empty where it answered.
    """

    exit_code: int
    outcomes: tuple[Outcome, ...]
    booted: bool
    seconds: float
    failure: str = ""


def score(medium: BadMedium, answer: Answer) -> tuple[Result, ...]:
    """One result for each defect on the medium that could show itself, or one for a control.

    A defect that only a booted machine shows is not judged where none was booted.
    """
    if answer.failure:
        names = judged_names(medium, booted=answer.booted)
        return tuple(_result(name, Score.FAULT, answer.failure, answer) for name in names)
    if not medium.defects:
        return (_score_control(medium, answer),)
    return tuple(_score_defect(defect, medium.defects, answer) for defect in _judged(medium, answer.booted))


def judged_names(medium: BadMedium, *, booted: bool) -> tuple[str, ...]:
    """The names of the results that `score` gives for the medium."""
    return tuple(defect.name for defect in _judged(medium, booted)) or (medium.name,)


def _judged(medium: BadMedium, booted: bool) -> tuple[Defect, ...]:
    return tuple(defect for defect in medium.defects if booted or defect.seen_without_booting)


def _score_control(medium: BadMedium, answer: Answer) -> Result:
    bad = [outcome for outcome in answer.outcomes if outcome.verdict is not Verdict.PASS]
    if bad or answer.exit_code != 0:
        why = _shown(bad) or f"exit code {answer.exit_code}"
        return _result(medium.name, Score.EXTRA_RED, why, answer)
    return _result(medium.name, Score.PASSED, f"{len(answer.outcomes)} checks, none red", answer)


def _score_defect(defect: Defect, on_medium: Sequence[Defect], answer: Answer) -> Result:
    red = [outcome for outcome in answer.outcomes if outcome.verdict is Verdict.PRODUCT_FAILURE]
    faults = [o for o in answer.outcomes if o.verdict in (Verdict.HARNESS_FAULT, Verdict.HOST_FAULT)]
    if faults:
        return _result(defect.name, Score.FAULT, _shown(faults), answer)
    unnamed = []
    for cause in defect.causes:
        if cause.place is Place.MACHINE and not answer.booted:
            continue
        if not any(cause.matches(o.id, o.reason, place_of(o.cell)) for o in red):
            unnamed.append(f"{cause.place.value} {cause.check} =~ {cause.reason!r}")
    own = [outcome for outcome in red if defect.accounts_for(outcome.id)]
    if unnamed:
        scored = Score.WRONG_CAUSE if own else Score.MISSED
        return _result(defect.name, scored, f"not red: {'; '.join(unnamed)}. Red: {_shown(red) or 'nothing'}", answer)
    if answer.exit_code != Verdict.PRODUCT_FAILURE.exit_code:
        return _result(defect.name, Score.MISSED, f"exit code {answer.exit_code}", answer)
    extra = [outcome for outcome in red if not any(other.accounts_for(outcome.id) for other in on_medium)]
    if extra:
        return _result(defect.name, Score.EXTRA_RED, _shown(extra), answer)
    named = [o for o in red if any(c.matches(o.id, o.reason, place_of(o.cell)) for c in defect.causes)]
    return _result(defect.name, Score.CAUGHT, _shown(named), answer)


def _result(name: str, scored: Score, why: str, answer: Answer) -> Result:
    return Result(name, scored, why, answer.booted, answer.seconds)


def _shown(outcomes: Iterable[Outcome]) -> str:
    """Each outcome's place, id and the first line of its reason."""
    return "; ".join(f"[{o.cell}] {o.id}: {(o.reason or 'no reason').splitlines()[0]}" for o in outcomes)


def summary(results: Sequence[Result]) -> str:
    """The score in one line."""
    counted = Counter(result.score for result in results)
    parts = [f"{counted[one]} {one.value}" for one in Score if counted[one]]
    return f"{len(results)} judged: {', '.join(parts)}" if parts else "nothing was judged"
