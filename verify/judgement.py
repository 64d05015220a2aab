"""From outcomes to one verdict: of a cell, and of a whole run.

A product failure wins over every fault: what was seen to be wrong stays wrong, whatever else could not be
looked at. A fault wins over passes: a run that could not look everywhere has not shown that all is well.
Checks that were not reached never decide, because what kept them from being reached does; where nothing did,
as where there is no outcome at all, it is a harness fault, never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from verify.outcome import Outcome
from verify.verdict import Verdict

_WORST_FIRST = (Verdict.PRODUCT_FAILURE, Verdict.HARNESS_FAULT, Verdict.HOST_FAULT, Verdict.PASS)


def judge(outcomes: Iterable[Outcome]) -> Verdict:
    """The verdict over checks."""
    return worst(outcome.verdict for outcome in outcomes)


def worst(verdicts: Iterable[Verdict | None]) -> Verdict:
    """The verdict that wins; None stands for what was not reached."""
    found = set(verdicts)
    if None in found and found <= {Verdict.PASS, None}:
        return Verdict.HARNESS_FAULT
    return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.HARNESS_FAULT)


def count(outcomes: Iterable[Outcome], verdict: Verdict | None) -> int:
    """How many checks ended so; None counts those that were not reached."""
    return sum(outcome.verdict is verdict for outcome in outcomes)
