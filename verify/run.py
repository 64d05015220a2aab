"""The main line of `mic verify`: plan, run, judge, report."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from mic.config import load_config
from mic.errors import UserError
from mic.programs import require
from verify import judgement
from verify.access.way import AccessChoice
from verify.audit import Audit, audit_medium
from verify.display import shown
from verify.engine.events import EventReader
from verify.expectations.derive import expectations_of
from verify.machine import kept
from verify.machine.firmware import Firmware
from verify.machine.spec import Attachment
from verify.plan import MachineCell, Plan, machines_side_by_side
from verify.report.baseline import NO_COMPARISON, Comparison
from verify.report.boot_time import with_boot_times
from verify.report.junit import render_junit
from verify.report.model import CellReport, Report, cell_reports
from verify.report.page import render_page
from verify.report.summary import summary
from verify.tries import cells_tried, doubted

PAGE_NAME = "index.html"
_REPORT_FILES = ("junit.xml", "report.json", PAGE_NAME, "audit.json", "events.jsonl", "pytest.log")
_PYTEST_ENVIRONMENT = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")


@dataclass(frozen=True)
class _FileState:
    """What tells that a file has been written to or replaced since; None where there is no file."""

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> _FileState | None:
        try:
            stat = path.stat()
        except OSError:  # what is not there the audit complains of
            return None
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True)
class MachineOptions:
    """What the machines of a run have in common."""

    memory_mib: int = 1536
    cpus: int = 1
    other_disks: tuple[Path, ...] = ()
    access: AccessChoice = AccessChoice.AUTO


def verify(
    medium: Path,
    config_file: Path,
    firmwares: Sequence[Firmware],
    report_dir: Path,
    *,
    keyword: str | None = None,
    processes: int | None = None,
    keep: bool = False,
    attachments: Sequence[Attachment] = (Attachment.CDROM,),
    options: MachineOptions = MachineOptions(),
    retries: int = 0,
    comparison: Comparison = NO_COMPARISON,
    boot_anyway: bool = False,
) -> int:
    """Verifies a medium against its configuration; returns the exit code.

    0: everything asked for is there; 1: the medium is wrong; 75: harness or host at fault, nothing is known.
    `keep` leaves the machine running afterwards.
    `keyword` is pytest's ``-k``; `processes` how many cells run side by side, by default what the host's
    cores and memory allow; `retries` how often a cell that ended in a fault is run again. `boot_anyway`: boot even
    where the audit says that the medium cannot. Raises `UserError` for what the caller can mend: no such medium, no
    ISO, a configuration with mistakes, a keyword expression that is none, boot times that cannot be compared with.
    """
    cells = tuple(
        MachineCell(firmware, attachment, options.memory_mib, options.cpus, options.other_disks)
        for firmware in dict.fromkeys(firmwares)
        for attachment in dict.fromkeys(attachments)
    )
    plan = Plan(
        medium.absolute(),
        config_file.absolute(),
        report_dir.absolute(),
        cells,
        keep=keep,
        access=options.access,
        boot_anyway=boot_anyway,
    )
    return run_plan(plan, keyword=keyword, processes=processes, retries=retries, comparison=comparison)


def run_plan(
    plan: Plan,
    *,
    keyword: str | None = None,
    processes: int | None = None,
    retries: int = 0,
    comparison: Comparison = NO_COMPARISON,
) -> int:
    """Audits the medium, runs the cells of a plan and writes the report; returns the exit code, as `verify` does."""
    state = _FileState.of(plan.medium)
    audit = _check_inputs(plan)
    baseline = comparison.read()
    _prepare(plan, audit)
    processes = processes or machines_side_by_side(plan.machines)
    begun = time.time()

    def run_once(one: Plan) -> tuple[CellReport, ...]:
        # A hard budget decides too, so it is looked at before it is known whether there is another try.
        return with_boot_times(_run_once(one, keyword, processes), plan.boot_budget, baseline, comparison.tolerance)

    cells = cells_tried(plan, retries, run_once)
    if _FileState.of(plan.medium) != state:
        raise UserError("the file was changed while it was verified", where=plan.medium, hint="verify it again")
    report = _report(plan, audit, keyword, processes, begun, cells)
    page = write_report(report, plan.report_dir)
    print(summary(report, page), flush=True)
    comparison.keep(report.cells)
    _tell_kept(plan)
    return report.verdict.exit_code


def _run_once(plan: Plan, keyword: str | None, processes: int) -> tuple[CellReport, ...]:
    """One try of the plan's cells."""
    plan.write()
    with shown(plan.events_file, sys.stderr):
        pytest_code = _run_pytest(plan, keyword, processes)
    if pytest_code == pytest.ExitCode.USAGE_ERROR:
        raise UserError(f"pytest does not take this: -k {keyword}", where=_log_of(plan))
    return doubted(cell_reports(plan, EventReader(plan.events_file).new(), keyword), pytest_code)


def _log_of(plan: Plan) -> Path:
    return plan.report_dir / f"pytest{plan.try_suffix}.log"


def _tell_kept(plan: Plan) -> None:
    for cell in plan.cells if plan.keep else ():
        told = plan.evidence_of(cell.id) / kept.TOLD_IN
        print(told.read_text() if told.exists() else f"{cell.id}: no machine is left to be kept", end="", flush=True)


def write_report(report: Report, report_dir: Path) -> Path:
    """Writes report.json, junit.xml and the page; returns the page's path."""
    (report_dir / "report.json").write_bytes(report.to_json())
    (report_dir / "junit.xml").write_bytes(render_junit(report))
    page = report_dir / PAGE_NAME
    page.write_text(render_page(report, report_dir))
    return page


def _check_inputs(plan: Plan) -> Audit:
    """The audit; and everything that is the caller's to mend is found before anything is started."""
    require("qemu-system-x86_64", "unsquashfs")
    config = load_config(plan.config_file)
    for disk in {disk for cell in plan.cells for disk in cell.other_disks}:
        if not disk.is_file():
            raise UserError("there is no such disk image", where=disk)
    plan.patterns.check()
    if plan.keep and len(plan.cells) != 1:
        hint = "choose one, as with --firmware bios"
        raise UserError(f"only one machine can be kept, and this run has {len(plan.cells)}", hint=hint)
    for cell in plan.cells:
        evidence = plan.evidence_of(cell.id)
        if (pid := kept.running_in(evidence)) is not None:
            raise UserError("a machine of an earlier run is still up", where=evidence, hint=f"kill {pid} ends it")
    audit = audit_medium(plan.medium)
    expectations_of(config, audit, plan.firmwares, plan.extras, plan.patterns)
    return audit


def _prepare(plan: Plan, audit: Audit) -> None:
    """An empty report directory, but for files that are no report's: those stay."""
    try:
        plan.report_dir.mkdir(parents=True, exist_ok=True)
        for name in _REPORT_FILES:
            (plan.report_dir / name).unlink(missing_ok=True)
        for later_try in plan.report_dir.glob("*-try-*"):
            later_try.unlink()
        for cell_id in plan.cell_ids:
            shutil.rmtree(plan.evidence_of(cell_id), ignore_errors=True)
        plan.audit_file.write_bytes(audit.to_json())
    except OSError as error:
        raise UserError(f"the report cannot be written: {error.strerror}", where=plan.report_dir) from error


def _run_pytest(plan: Plan, keyword: str | None, processes: int) -> int:
    arguments = [
        "-p", "verify.engine.plugin",
        # The engine's own tests may run below another pytest: neither its settings nor its cache are ours.
        "-c", os.devnull, "--rootdir", str(plan.report_dir), "--noconftest", "-p", "no:cacheprovider",
        "-p", "no:logging", "--capture=no", "-v",
    ]  # fmt: skip
    if processes > 1:
        # Without the reordering the medium's own checks, which are listed first, are made first.
        arguments += ["-p", "xdist.plugin", "-n", str(processes)]
        arguments += ["--dist", "loadscope", "--no-loadscope-reorder"]
    if keyword is not None:
        arguments += ["-k", keyword]
    interruption = _Interruption()
    with _own_pytest_environment(), _log_of(plan).open("w") as log, redirect_stdout(log):
        code = int(pytest.main([*arguments, str(plan.report_dir / "plan.json")], plugins=[interruption]))
    if interruption.happened:
        raise KeyboardInterrupt
    return code


class _Interruption:
    """pytest keeps an interrupt to itself, and its exit code is that of a broken collection too."""

    def __init__(self) -> None:
        self.happened = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # Of the two, pytest's own Session.Interrupted is what a broken collection raises.
        self.happened = not isinstance(excinfo.value, pytest.Session.Interrupted)


@contextmanager
def _own_pytest_environment() -> Iterator[None]:
    """Keeps the caller's pytest settings and plugins out of the engine."""
    before = {name: os.environ.pop(name) for name in _PYTEST_ENVIRONMENT if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(before)


def _report(
    plan: Plan, audit: Audit, keyword: str | None, processes: int, begun: float, cells: tuple[CellReport, ...]
) -> Report:
    return Report(
        verdict=judgement.worst(cell.verdict for cell in cells),
        medium=str(plan.medium),
        medium_sha256=audit.sha256,
        medium_bytes=audit.size,
        config_file=str(plan.config_file),
        begun=begun,
        seconds=time.time() - begun,
        processes=processes,
        keyword=keyword,
        cells=cells,
        version=importlib.metadata.version("mic"),
        notes=audit.not_checked,
    )
