"""What ended in a fault is tried again, visibly; what was seen to be wrong is not, ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from verify import judgement
from verify.outcome import Outcome
from verify.plan import Plan
from verify.report.model import CellReport
from verify.verdict import Verdict

FAULTS = frozenset({Verdict.HARNESS_FAULT, Verdict.HOST_FAULT})
# pytest's exit codes of runs that came to their own end.
_ORDERLY = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def cells_tried(plan: Plan, retries: int, run_once: Callable[[Plan], tuple[CellReport, ...]]) -> tuple[CellReport, ...]:
    """Runs the plan, and what ended in a fault up to `retries` times again; each cell knows its earlier tries."""
    cells = run_once(plan)
    for number in range(2, retries + 2):
        again = tuple(cell.id for cell in cells if may_be_tried_again(cell))
        if not again:
            break
        newer = {cell.id: cell for cell in run_once(replace(plan, only=again, number=number))}
        cells = tuple(_after(cell, newer[cell.id]) if cell.id in newer else cell for cell in cells)
    return cells


def may_be_tried_again(cell: CellReport) -> bool:
    """Whether a fault of ours or the host's is all that speaks against the cell.

    A cell of which nothing was reached has no fault of its own: its cause stands in another cell.
    """
    return cell.verdict in FAULTS and any(outcome.verdict in FAULTS for outcome in cell.outcomes)


def _after(earlier: CellReport, cell: CellReport) -> CellReport:
    return replace(cell, earlier_tries=(*earlier.earlier_tries, replace(earlier, earlier_tries=())))


def doubted(cells: Iterable[CellReport], pytest_code: int) -> tuple[CellReport, ...]:
    """The cells as they are; if pytest did not end well while they all did, each with that as a fault.

    pytest ends with 1 when a check failed, and with other numbers when it broke down itself.
    """
    cells = tuple(cells)
    all_passed = all(cell.verdict is Verdict.PASS for cell in cells)
    if pytest_code in _ORDERLY and (pytest_code == pytest.ExitCode.OK or not all_passed):
        return cells
    if not all_passed:
        return cells
    return tuple(_with_fault(cell, f"pytest ended with {pytest_code}; see pytest.log") for cell in cells)


def _with_fault(cell: CellReport, reason: str) -> CellReport:
    fault = Outcome(
        cell.id,
        "harness.run",
        "The run comes to its own end",
        "verify",
        Verdict.HARNESS_FAULT,
        "",
        reason,
        (),
        0.0,
        0.0,
    )
    outcomes = (*cell.outcomes, fault)
    return replace(cell, outcomes=outcomes, verdict=judgement.judge(outcomes))
