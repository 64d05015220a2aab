"""A boot's times against the scenario's budget and an earlier run.

Compared are not the seconds on the clock but those without the time in which the host let the guest wait for a
processor (`PhaseTime.own_seconds`): a busy host must not look like a slow medium, while a boot that waits for
something of its own, a device that never comes, must not look fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from verify.boot_budget import BootBudget
from verify.judgement import judge
from verify.machine.phase import Phase
from verify.outcome import Outcome
from verify.report.baseline import Baseline
from verify.report.model import CellReport, PhaseTime
from verify.verdict import Verdict

# A step shorter than this varies by more than any change of the medium.
_SHORTEST_COMPARED_SECONDS = 0.5


@dataclass(frozen=True)
class Yardstick:
    """What a machine's boot is measured with: `time_scale` stretches the budget, `baseline` is in seconds.

    With a `tolerance` the whole boot must not take longer than so many times the baseline's.
    """

    budget: BootBudget | None
    time_scale: float
    baseline: Mapping[str, float] | None = None
    tolerance: float | None = None


def compared(phases: tuple[PhaseTime, ...], yardstick: Yardstick) -> tuple[PhaseTime, ...]:
    """The phases with their limits, and each step's time as a ratio of the baseline's."""
    result = []
    before: PhaseTime | None = None
    for time in phases:
        limit = None if yardstick.budget is None else yardstick.budget.limit(time.phase, yardstick.time_scale)
        ratio = _ratio(before, time, yardstick.baseline or {})
        base = (yardstick.baseline or {}).get(time.phase)
        result.append(replace(time, limit=limit, baseline=base, ratio=ratio))
        before = time
    return tuple(result)


def _ratio(before: PhaseTime | None, time: PhaseTime, baseline: Mapping[str, float]) -> float | None:
    if before is None or before.phase not in baseline or time.phase not in baseline:
        return None
    expected = baseline[time.phase] - baseline[before.phase]
    if expected < _SHORTEST_COMPARED_SECONDS:
        return None
    return round((time.own_seconds - before.own_seconds) / expected, 2)


def warnings(phases: tuple[PhaseTime, ...], yardstick: Yardstick) -> tuple[str, ...]:
    """A sentence for each limit that was passed and is not hard."""
    if yardstick.budget is None or yardstick.budget.hard:
        return ()
    return tuple(f"boot over budget: {_over(time)}" for time in phases if time.over_limit)


def outcomes(cell: str, phases: tuple[PhaseTime, ...], yardstick: Yardstick) -> tuple[Outcome, ...]:
    """What a hard budget and a tolerance make of a boot whose `phases` have been `compared`."""
    found = []
    if yardstick.budget is not None and yardstick.budget.hard:
        requirement = f"The boot keeps its budget, by KVM's speed: {yardstick.budget.words}"
        lacking = [limit.phase for limit in yardstick.budget.limits if limit.phase not in {t.phase for t in phases}]
        over = [time for time in phases if time.over_limit]
        outcome = Outcome(
            cell, "live.boot-time", requirement, "boot_seconds", Verdict.PASS, _seen(phases), "", (), 0.0, 0.0
        )
        if not over and _needs_later_phase(phases, lacking):
            outcome = replace(outcome, verdict=None, reason=f"the boot was not seen to reach {', '.join(lacking)}")
        elif over:
            outcome = replace(outcome, verdict=_blame(over), reason=_reason(over))
        found.append(outcome)
    if yardstick.tolerance is not None and yardstick.baseline is not None:
        found.append(_against_baseline(cell, phases, yardstick.baseline, yardstick.tolerance))
    return tuple(found)


def _needs_later_phase(phases: tuple[PhaseTime, ...], lacking: list[str]) -> bool:
    """Whether a limited phase may still have been to come: a quiet kernel shows few of them."""
    order = [str(phase) for phase in Phase]
    reached = max((order.index(time.phase) for time in phases), default=-1)
    return any(order.index(phase) > reached for phase in lacking)


def _against_baseline(
    cell: str, phases: tuple[PhaseTime, ...], baseline: Mapping[str, float], tolerance: float
) -> Outcome:
    login = str(Phase.LOGIN)
    requirement = f"The boot takes at most {tolerance:g} times as long as the baseline's"
    outcome = Outcome(
        cell, "live.boot-baseline", requirement, "--baseline-tolerance", Verdict.PASS, _seen(phases), "", (), 0.0, 0.0
    )
    whole = next((time for time in phases if time.phase == login), None)
    if whole is None or login not in baseline:
        return replace(outcome, verdict=None, reason="the boot or the baseline has no login prompt")
    limited = replace(whole, limit=baseline[login] * tolerance)
    if limited.over_limit:
        return replace(outcome, verdict=_blame([limited]), reason=_reason([limited]))
    return outcome


def _blame(over: list[PhaseTime]) -> Verdict:
    """Where nobody counts how long the host let the guest wait, a slow boot may be the host's."""
    return Verdict.HOST_FAULT if any(time.delay is None for time in over) else Verdict.PRODUCT_FAILURE


def _reason(over: list[PhaseTime]) -> str:
    reason = "; ".join(_over(time) for time in over)
    if any(time.delay is None for time in over):
        reason += "; this host does not tell how much of it is its own fault (no schedstat)"
    return reason


def _over(time: PhaseTime) -> str:
    waited = f" ({time.seconds:.1f} s less {time.delay:.1f} s that the host was busy)" if time.delay else ""
    return f"{time.phase} after {time.own_seconds:.1f} s{waited}, allowed are {time.limit:.1f} s"


def _seen(phases: tuple[PhaseTime, ...]) -> str:
    return ", ".join(f"{time.phase} {time.own_seconds:.1f} s" for time in phases)


def with_boot_times(
    cells: Iterable[CellReport],
    budget: BootBudget | None,
    baseline: Baseline | None = None,
    tolerance: float | None = None,
) -> tuple[CellReport, ...]:
    """The cells with every boot compared, and judged where that was asked for."""
    return tuple(_with_boot_time(cell, budget, baseline, tolerance) for cell in cells)


def _with_boot_time(
    cell: CellReport, budget: BootBudget | None, baseline: Baseline | None, tolerance: float | None
) -> CellReport:
    machine = cell.machine
    if machine is None:
        return cell
    notes = list(machine.notes)
    base = None
    if baseline is not None and machine.host_class is not None:
        base = baseline.phases(machine.host_class.key, cell.id)
        if base is None:
            notes.append(f"the baseline has no boot of this cell on such a host: {machine.host_class.key}")
    yardstick = Yardstick(budget, machine.time_scale, base, tolerance)
    phases = compared(machine.phases, yardstick)
    notes += warnings(phases, yardstick)
    all_outcomes = (*cell.outcomes, *outcomes(cell.id, phases, yardstick))
    return replace(
        cell,
        outcomes=all_outcomes,
        verdict=judge(all_outcomes),
        machine=replace(machine, phases=phases, notes=tuple(notes)),
    )
