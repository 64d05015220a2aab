"""The whole result of one run, put together from the plan and from what the workers told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from verify import judgement
from verify.engine.events import (
    CheckBegun,
    CheckEnded,
    Event,
    MachineEnded,
    MachineIdRead,
    MachineStarted,
    Noted,
    PhaseReached,
    Screenshot,
    Selected,
    ShellOpened,
)
from verify.machine.host_class import HostClass
from verify.outcome import Outcome
from verify.plan import Plan
from verify.verdict import Verdict


@dataclass(frozen=True)
class PhaseTime:
    """A phase of a boot, and when it was reached in seconds from the machine's start.

    `delay`: for how many of them the host kept the guest waiting for a processor; None where nobody counts.
    `limit` is the budget's, in seconds on this machine; `baseline` when an earlier run reached the phase, and
    `ratio` how much longer the step from the phase before took now than then.
    """

    phase: str
    seconds: float
    delay: float | None = None
    limit: float | None = None
    baseline: float | None = None
    ratio: float | None = None

    @property
    def own_seconds(self) -> float:
        """Without the time that the host took away: what is compared."""
        return self.seconds - (self.delay or 0.0)

    @property
    def over_limit(self) -> bool:
        return self.limit is not None and self.own_seconds > self.limit


@dataclass(frozen=True)
class MachineFacts:
    """How a cell's machine was run; `firmware` and `attachment` by the names that the plan uses.

    `logs` and `screenshots` are file names relative to the report directory, screenshots in their order;
    `notes` say what a reader has to know of the evidence: what is missing, what is over its budget.
    `machine_id_digest` tells machines with the same id apart from others; empty where nobody has asked for it.
    """

    firmware: str
    attachment: str
    memory_mib: int
    cpus: int
    other_disks: tuple[str, ...]
    accelerator: str
    accelerator_reason: str
    command_line: tuple[str, ...]
    phases: tuple[PhaseTime, ...]
    user: str
    privilege: str
    screenshots: tuple[str, ...]
    logs: tuple[str, ...]
    notes: tuple[str, ...] = ()
    host_class: HostClass | None = None
    time_scale: float = 1.0
    access: str = ""
    access_changes: str = ""
    machine_id_digest: str = ""


@dataclass(frozen=True)
class CellReport:
    """One cell: its verdict, its checks in order, and its machine where it has one.

    `earlier_tries` ended in faults, which is why it was run again; they decide nothing.
    """

    id: str
    verdict: Verdict
    outcomes: tuple[Outcome, ...]
    seconds: float
    machine: MachineFacts | None = None
    earlier_tries: tuple[CellReport, ...] = ()


@dataclass(frozen=True)
class Report:
    """One run. `begun` is in seconds since the epoch; the SHA-256 tells which medium it was.

    `notes` say what a reader has to know of the run as a whole: what of the medium could not be checked.
    """

    verdict: Verdict
    medium: str
    medium_sha256: str
    medium_bytes: int
    config_file: str
    begun: float
    seconds: float
    processes: int
    keyword: str | None
    cells: tuple[CellReport, ...]
    version: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The report as JSON, indented; `from_json` reads it back."""
        return _REPORT.dump_json(self, indent=2) + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Report:
        """Raises `pydantic.ValidationError` when `content` is no report."""
        return _REPORT.validate_json(content)


_REPORT = TypeAdapter(Report)
_LOGS = (
    "serial-timed.log", "journal.log", "console.cast", "serial.log", "firmware.log", "qemu.log", "qemu-command.txt"
)  # fmt: skip


@dataclass
class _Told:
    """What was told of one cell."""

    selected: tuple[str, ...] = ()
    begun: dict[str, float] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    started: MachineStarted | None = None
    ended_at: float | None = None
    phases: list[PhaseTime] = field(default_factory=list)
    shell: ShellOpened | None = None
    screenshots: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine_id_digest: str = ""


def cell_reports(plan: Plan, events: Iterable[Event], keyword: str | None) -> tuple[CellReport, ...]:
    """The plan's cells with all that was told of them.

    A check that was selected and never ended becomes a harness fault, and so does a cell of which nothing
    was told, unless `keyword` may have left it out.
    """
    told: dict[str, _Told] = {}
    for event in events:
        cell = event.outcome.cell if isinstance(event, CheckEnded) else event.cell
        _take(told.setdefault(cell, _Told()), event)
    reports = []
    for cell_id in plan.cell_ids:
        if cell_id in told:
            reports.append(_cell_report(plan, cell_id, told[cell_id]))
        elif keyword is None:
            outcome = _never_ended(cell_id, "harness.cell", "The cell is run", begun=None)
            outcome = replace(outcome, reason="no worker told anything of this cell; see pytest.log")
            reports.append(CellReport(cell_id, Verdict.HARNESS_FAULT, (outcome,), 0.0))
    return tuple(reports)


def _take(told: _Told, event: Event) -> None:
    match event:
        case Selected():
            told.selected = event.checks
        case CheckBegun():
            told.begun[event.check] = event.at
        case CheckEnded():
            told.outcomes.append(event.outcome)
        case _:
            _take_of_machine(told, event)


def _take_of_machine(told: _Told, event: Event) -> None:
    match event:
        case MachineStarted():
            told.started = event
            # Where the harness had to boot again to get in, the report is about the machine it asked.
            told.phases.clear()
            told.screenshots.clear()
        case MachineEnded():
            told.ended_at = event.at
        case PhaseReached():
            told.phases.append(PhaseTime(event.phase, event.seconds, event.delay))
        case ShellOpened():
            told.shell = event
        case Screenshot():
            told.screenshots.append(event.file)
        case MachineIdRead():
            told.machine_id_digest = event.digest
        case Noted():
            told.notes.append(event.text)


def _cell_report(plan: Plan, cell_id: str, told: _Told) -> CellReport:
    ended = {outcome.id for outcome in told.outcomes}
    missing = [
        _never_ended(cell_id, check, check, begun=told.begun.get(check))
        for check in told.selected
        if check not in ended
    ]
    outcomes = (*told.outcomes, *missing)
    return CellReport(cell_id, judgement.judge(outcomes), outcomes, _seconds(told), _machine_facts(plan, cell_id, told))


def _never_ended(cell: str, check: str, requirement: str, *, begun: float | None) -> Outcome:
    reason = "it was never begun" if begun is None else "it was begun and never came to an end"
    return Outcome(cell, check, requirement, "verify", Verdict.HARNESS_FAULT, "", reason, (), begun or 0.0, 0.0)


def _seconds(told: _Told) -> float:
    begun = [outcome.begun for outcome in told.outcomes]
    ends = [outcome.begun + outcome.seconds for outcome in told.outcomes]
    if told.ended_at is not None:
        ends.append(told.ended_at)
    return max(ends) - min(begun) if begun else 0.0


def _machine_facts(plan: Plan, cell_id: str, told: _Told) -> MachineFacts | None:
    cell = next((cell for cell in plan.cells if cell.id == cell_id), None)
    if cell is None:
        return None
    started, shell = told.started, told.shell
    return MachineFacts(
        firmware=cell.firmware.value,
        attachment=cell.attachment.value,
        memory_mib=cell.memory_mib,
        cpus=cell.cpus,
        other_disks=tuple(str(disk) for disk in cell.other_disks),
        accelerator="" if started is None else started.accelerator,
        accelerator_reason="" if started is None else started.accelerator_reason,
        command_line=() if started is None else started.command_line,
        phases=tuple(told.phases),
        user="" if shell is None else shell.user,
        privilege="" if shell is None else shell.privilege,
        access="" if shell is None else shell.access,
        access_changes="" if shell is None else shell.changes,
        screenshots=tuple(told.screenshots),
        logs=_logs(plan.report_dir, plan.evidence_of(cell_id)),
        notes=tuple(told.notes),
        host_class=None if started is None else started.host_class,
        time_scale=1.0 if started is None else started.time_scale,
        machine_id_digest=told.machine_id_digest,
    )


def _logs(report_dir: Path, evidence: Path) -> tuple[str, ...]:
    """The logs and recordings of a cell, relative to the report directory; the most useful first."""
    known = [evidence / name for name in _LOGS]
    others = sorted({*evidence.glob("*.log"), *evidence.glob("*.cast")}.difference(known))
    logs = [path for path in (*known, *others) if path.is_file()]
    return tuple(str(path.relative_to(report_dir)) for path in logs)
