"""The pytest plugin that is the engine: a plan file is collected, one boot cell is one node, a check an item.

Loaded by name (``-p verify.engine.plugin``), in one process or in every worker of pytest-xdist. With
``--dist loadscope`` all items of a cell go to one worker, because what stands before the last ``::`` of
their node ids is the cell; so each machine is started once. (``--dist loadgroup`` does not group with
pytest 9.2, pytest-xdist#1386.)
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mic.config import Config, load_config
from verify.access.choose import guest_system
from verify.audit import Audit
from verify.checks.catalogue import in_machine, on_medium
from verify.checks.guest import Guest
from verify.checks.on_medium import Reader
from verify.engine.events import CheckBegun, CheckEnded, Selected, tell
from verify.engine.journal import keep_journal
from verify.engine.session import MachineSession
from verify.expectations.audited import AuditedAspect
from verify.expectations.cloud_seed import seed_of
from verify.expectations.credentials import Credential, credentials_of
from verify.expectations.derive import expectations_of
from verify.expectations.expectation import Expectation, Place
from verify.expectations.live import Boots
from verify.masking import Mask, mask_for
from verify.medium import Medium, open_medium
from verify.outcome import Notebook, NotReached, Outcome
from verify.plan import MEDIUM_CELL_ID, PLAN_NAME, MachineCell, Plan
from verify.verdict import ProductFailure, Verdict, VerifyError


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A plan file is a test file."""
    if file_path.name != PLAN_NAME:
        return None
    node: PlanFile = PlanFile.from_parent(parent, path=file_path)
    return node


class PlanFile(pytest.File):
    """The whole plan: the medium's cell first, then every machine's."""

    def collect(self) -> Iterator[pytest.Collector]:
        plan = Plan.read(self.path)
        config = load_config(plan.config_file)
        audit = Audit.read(plan.audit_file)
        expectations = expectations_of(config, audit, plan.firmwares, plan.extras, plan.patterns)
        if MEDIUM_CELL_ID in plan.cell_ids:
            yield MediumNode.from_parent(
                self,
                name=MEDIUM_CELL_ID,
                plan=plan,
                wanted=config,
                expectations=[e for e in expectations if e.place is Place.MEDIUM],
                audit=audit,
            )
        for cell in plan.machines:
            yield MachineNode.from_parent(
                self,
                name=cell.id,
                plan=plan,
                wanted=config,
                expectations=[e for e in expectations if e.place is Place.MACHINE],
                audit=audit,
                cell=cell,
            )


class CellNode(pytest.Collector):
    """One cell; its items are its checks. What they share is opened by the first and closed after the last."""

    def __init__(self, *, plan: Plan, wanted: Config, expectations: list[Expectation], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.plan = plan
        self.expectations = expectations
        seed = seed_of(wanted)
        self.mask: Mask = mask_for(wanted, seed)
        self.credentials: tuple[Credential, ...] = credentials_of(wanted, seed)

    def collect(self) -> Iterator[pytest.Item]:
        for expectation in self.expectations:
            yield CheckItem.from_parent(self, name=expectation.id, expectation=expectation)

    def make(self, expectation: Expectation, notebook: Notebook) -> str:
        """Makes one check; returns what was seen."""
        raise NotImplementedError


class MediumNode(CellNode):
    """The medium as it lies there: no machine."""

    def __init__(self, *, audit: Audit, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._audit = audit
        self._stack = ExitStack()
        self._medium: Medium | None = None

    def make(self, expectation: Expectation, notebook: Notebook) -> str:
        if self._medium is None:
            self._medium = self._stack.enter_context(open_medium(self.plan.medium))
        return on_medium.make(expectation.subject, Reader(self._medium, self._audit, notebook))

    def teardown(self) -> None:
        self._medium = None
        self._stack.close()


class MachineNode(CellNode):
    """One machine, booted by the first item that runs and ended after the last."""

    def __init__(self, *, audit: Audit, cell: MachineCell, **keywords: Any) -> None:
        super().__init__(**keywords)
        # A scenario that wants to see the boot fail is about just that.
        boots_anyway = self.plan.boot_anyway or self.plan.patterns.ends_boot is not None
        self.unreachable = tuple(one for one in audit.live.unreachable if one.attachment is cell.attachment)
        self.cannot_boot = () if boots_anyway else audit.fatal_for(cell.firmware)
        self._session = MachineSession(self.plan, cell, self.credentials, guest_system(audit))

    def make(self, expectation: Expectation, notebook: Notebook) -> str:
        if self.cannot_boot:
            reason = f"not booted: the audit found {'; '.join(finding.text for finding in self.cannot_boot)}"
            raise (ProductFailure if isinstance(expectation.subject, Boots) else NotReached)(reason)
        with self._session.recorder.check(expectation.id):
            try:
                return in_machine.make(expectation.subject, Guest(self._session, notebook))
            except ProductFailure as failure:
                if not isinstance(expectation.subject, Boots) or not self.unreachable:
                    raise
                # That the kernel has no driver for this machine is no fault by itself; for this boot it is the cause.
                causes = "; ".join(map(str, self.unreachable))
                raise ProductFailure(f"{causes}; {failure}") from failure

    def teardown(self) -> None:
        try:
            keep_journal(self._session, self.plan.evidence_of(self.name), self.mask)
        finally:
            self._session.close()


class CheckItem(pytest.Item):
    """One expectation in one cell."""

    def __init__(self, *, expectation: Expectation, parent: CellNode, **keywords: Any) -> None:
        super().__init__(parent=parent, **keywords)
        self.cell = parent
        self.expectation = expectation
        self.notebook = Notebook(parent.mask)
        self.seen = ""

    def runtest(self) -> None:
        tell(self.cell.plan.events_file, CheckBegun(self.cell.name, self.name))
        try:
            self.seen = self.cell.mask(self.cell.make(self.expectation, self.notebook))
        except NotReached as error:
            pytest.skip(f"not reached: {self.cell.mask(str(error))}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """One sentence for what the field calls a failure; the traceback for what nobody foresaw."""
        if isinstance(excinfo.value, VerifyError):
            return self.cell.mask(f"{excinfo.value.verdict.value}: {excinfo.value}")
        return self.cell.mask(str(super().repr_failure(excinfo, style="short")))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.cell.name}: {self.expectation.requirement}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Whatever ``-k`` leaves out, a machine's boot stays in: a check that needs it must not hide its failure.

    And so does what the audit found that keeps a machine from being booted at all.
    """
    reasons = [item for item in items if isinstance(item, CheckItem) and _keeps_from_booting(item, items)]
    boots = [item for item in items if isinstance(item, CheckItem) and isinstance(item.expectation.subject, Boots)]
    yield
    for boot in boots:
        places = [index for index, item in enumerate(items) if item.parent is boot.parent]
        if places and boot not in items:
            items.insert(places[0], boot)
    if any(isinstance(item.parent, MachineNode) for item in items):
        items[:0] = [reason for reason in reasons if reason not in items]


def _keeps_from_booting(item: CheckItem, items: list[pytest.Item]) -> bool:
    subject = item.expectation.subject
    machines = {other.parent for other in items if isinstance(other.parent, MachineNode)}
    fatal = {finding.aspect for machine in machines for finding in machine.cannot_boot}
    return isinstance(subject, AuditedAspect) and subject.aspect in fatal


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tells which checks are to be made, so that one that never ends is missed."""
    cells: dict[CellNode, list[str]] = {}
    for item in session.items:
        if isinstance(item, CheckItem):
            cells.setdefault(item.cell, []).append(item.name)
    for cell, checks in cells.items():
        tell(cell.plan.events_file, Selected(cell.name, tuple(checks)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tells the end of every check, and of every machine that cannot be ended."""
    report = yield
    if isinstance(item, CheckItem) and (call.when == "call" or call.excinfo is not None):
        tell(item.cell.plan.events_file, CheckEnded(outcome_of(item, call, report)))
    return report


def outcome_of(item: CheckItem, call: pytest.CallInfo[None], report: pytest.TestReport) -> Outcome:
    """What pytest knows of a check's end, as an `Outcome`."""
    verdict: Verdict | None = Verdict.PASS
    reason = traceback = ""
    error = None if call.excinfo is None else call.excinfo.value
    if report.skipped:
        verdict, reason = None, str(error).removeprefix("not reached: ")
    elif isinstance(error, VerifyError):
        verdict, reason = error.verdict, str(error)
    elif error is not None:
        verdict, reason = Verdict.HARNESS_FAULT, f"{type(error).__name__}: {error}"
        traceback = str(report.longrepr)
    ending = call.when == "teardown"
    expectation = item.expectation
    return Outcome(
        cell=item.cell.name,
        id="harness.ending" if ending else expectation.id,
        requirement="The harness ends the machine" if ending else expectation.requirement,
        source="verify" if ending else expectation.source,
        verdict=verdict,
        seen=item.seen,
        reason=item.cell.mask(reason),
        observations=() if ending else tuple(item.notebook.observations),
        begun=call.start if call.start else time.time(),
        seconds=call.duration,
        traceback=traceback,
    )
