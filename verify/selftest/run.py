"""Makes bad media one after the other, has each verified, and hands the answers on as they come."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from mic.errors import UserError
from mic.kernel_calls import die_with_parent
from verify.machine.firmware import Firmware
from verify.outcome import Outcome
from verify.plan import MEDIUM_CELL_ID, MachineCell, Plan, machines_side_by_side
from verify.report.model import Report
from verify.run import run_plan
from verify.selftest.defect import BadMedium, BootOn, load_corpus
from verify.selftest.score import Answer, Result, score
from verify.verdict import Verdict


@dataclass(frozen=True)
class Job:
    """One bad medium to make and to verify; picklable, so the corpus is a name.

    `good` is the ISO it is made from, `directory` where its report goes. `boots`: whether the machine that the
    defects ask for is run; otherwise the audit alone answers.
    """

    corpus: str
    medium: BadMedium
    good: Path
    directory: Path
    boots: bool
    keeps_iso: bool

    @property
    def iso(self) -> Path:
        return self.directory / f"{self.medium.name}.iso"


def build_good_media(corpus: str, media: Sequence[BadMedium], directory: Path) -> dict[str, Path]:
    """The good medium of each base in `media`, by name; one that lies in `directory` already is taken."""
    made = {}
    for base in {medium.base.name: medium.base for medium in media}.values():
        made[base.name] = directory / f"good-{base.name}.iso"
        if not made[base.name].exists():
            load_corpus(corpus).build(base, made[base.name])
    return made


def results_of(jobs: Sequence[Job]) -> Iterator[tuple[BadMedium, tuple[Result, ...]]]:
    """Runs the jobs, as many side by side as this host bears, and yields each one's results when it ends."""
    if not jobs:
        return
    cells = [_cell(job.medium.boot or BootOn(), ()) for job in jobs]
    context = multiprocessing.get_context("spawn")
    # A worker's machine dies with it, and it dies with us.
    with ProcessPoolExecutor(
        machines_side_by_side(cells), mp_context=context, initializer=die_with_parent, initargs=(signal.SIGTERM,)
    ) as pool:
        waiting = {pool.submit(answer_to, job): job for job in jobs}
        try:
            for done in as_completed(waiting):
                medium = waiting[done].medium
                yield medium, score(medium, done.result())
        finally:
            # Interrupted: what has not begun never will.
            pool.shutdown(wait=False, cancel_futures=True)


def answer_to(job: Job) -> Answer:
    """Makes the medium of one job and verifies it; whatever goes wrong on the way is the answer's `failure`."""
    begun = time.monotonic()
    job.directory.mkdir(parents=True, exist_ok=True)
    exit_code = Verdict.HARNESS_FAULT.exit_code
    outcomes: tuple[Outcome, ...] = ()
    failure = ""
    log_path = job.directory / f"{job.medium.name}.log"
    with log_path.open("w") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            exit_code, outcomes = _make_and_verify(job)
        except Exception as error:  # noqa: BLE001 - a fault of the self-test: it is scored as one, and logged
            traceback.print_exc()
            failure = f"{type(error).__name__}: {error} (see {log_path})"
        finally:
            if not job.keeps_iso:
                job.iso.unlink(missing_ok=True)
    return Answer(exit_code, outcomes, job.boots, time.monotonic() - begun, failure)


def _make_and_verify(job: Job) -> tuple[int, tuple[Outcome, ...]]:
    corpus, medium = load_corpus(job.corpus), job.medium
    corpus.make(medium.defects, job.good, job.iso)
    boot = medium.boot or BootOn()
    # Both firmwares are asked for on the medium; booted is the machine alone that the defects ask for.
    cells = tuple(MachineCell(firmware) for firmware in Firmware)
    only: tuple[str, ...] = (MEDIUM_CELL_ID,)
    if job.boots:
        disks = tuple(corpus.other_disk(name, job.good, job.directory) for name in boot.other_disks)
        machine = _cell(boot, disks)
        cells = (machine, *(cell for cell in cells if cell.id != machine.id))
        only = (MEDIUM_CELL_ID, machine.id)
    report_dir = job.directory / f"{medium.name}-report"
    iso, config, extras = job.iso.absolute(), medium.base.config_file, medium.base.extras
    # What the audit calls unbootable is booted all the same: the boot has to say so by itself.
    plan = Plan(iso, config, report_dir.absolute(), cells, extras, boot_anyway=True, only=only)
    exit_code = run_plan(plan, processes=1)
    report = Report.from_json((report_dir / "report.json").read_bytes())
    return exit_code, tuple(outcome for cell in report.cells for outcome in cell.outcomes)


def _cell(boot: BootOn, disks: tuple[Path, ...]) -> MachineCell:
    return MachineCell(boot.firmware, boot.attachment, other_disks=disks)


def refuse_unusable(directory: Path) -> None:
    """Raises `UserError` when the media cannot be written to `directory`."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", where=directory) from error
