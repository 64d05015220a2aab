"""The report as one HTML page that needs no other file: readable on a phone, printable, kept as evidence."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from verify.judgement import count
from verify.outcome import Outcome
from verify.report.model import CellReport, PhaseTime, Report
from verify.verdict import Verdict

# The page stays self-contained up to this much; what is larger is linked.
_LARGEST_EMBEDDED_BYTES = 2_000_000
_ABOUT_LOGS = {
    "serial-timed.log": "the console, with seconds and a mark where each check begins and ends",
    "journal.log": "the journal of the boot",
    "console.cast": "the console to play, with asciinema",
    "serial.log": "the console's bytes",
    "firmware.log": "what the BIOS said",
    "qemu.log": "what QEMU said",
    "qemu-command.txt": "QEMU's command line",
}


def render_page(report: Report, report_dir: Path) -> str:
    """The page's HTML; screenshots are read from `report_dir` and embedded."""
    environment = Environment(
        loader=PackageLoader("verify.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        clock=_clock,
        duration=_duration,
        mebibytes=_mebibytes,
        command_line=shlex.join,
        css=_css_class,
        word=word,
        kind=_kind,
        name=_file_name,
        about=_about,
        moment=_moment,
        steps=_steps,
    )
    outcomes = [outcome for cell in report.cells for outcome in cell.outcomes]
    return environment.get_template("page.html").render(
        report=report,
        counts={cell.id: tally(cell) for cell in report.cells},
        wrong=[outcome for outcome in outcomes if _kind(outcome.verdict) == "wrong"],
        numbers=_numbers(outcomes),
        images={
            name: _embedded(report_dir / name)
            for cell in report.cells
            if cell.machine is not None
            for name in cell.machine.screenshots
        },
    )


def word(verdict: Verdict | None) -> str:
    """A verdict as people read it; None is a check that was not reached."""
    return "not reached" if verdict is None else verdict.value


def tally(cell: CellReport) -> str:
    """How many checks ended how, without the zeros: ``12 pass, 1 product failure``."""
    kinds = (*Verdict, None)
    counted = [(count(cell.outcomes, verdict), word(verdict)) for verdict in kinds]
    return ", ".join(f"{number} {name}" for number, name in counted if number)


def _css_class(verdict: Verdict | None) -> str:
    return word(verdict).replace(" ", "-")


def _kind(verdict: Verdict | None) -> str:
    """Which of the page's filters shows it."""
    return {Verdict.PASS: "passed", None: "unreached"}.get(verdict, "wrong")


@dataclass(frozen=True)
class Numbers:
    """How many checks each of the page's filters shows."""

    all: int
    wrong: int
    unreached: int
    passed: int


def _numbers(outcomes: Sequence[Outcome]) -> Numbers:
    kinds = [_kind(outcome.verdict) for outcome in outcomes]
    return Numbers(len(kinds), kinds.count("wrong"), kinds.count("unreached"), kinds.count("passed"))


@dataclass(frozen=True)
class Step:
    """From the phase before to that of `time`, in seconds."""

    time: PhaseTime
    seconds: float


def _steps(phases: Sequence[PhaseTime]) -> list[Step]:
    before = 0.0
    steps = []
    for time in phases:
        if time.seconds > 0:  # the firmware's own beginning is no step
            steps.append(Step(time, time.seconds - before))
        before = time.seconds
    return steps


def _about(log: str) -> str:
    return _ABOUT_LOGS.get(Path(log).name, "")


def _moment(screenshot: str) -> str:
    """``cells/x/screen-boot-loader.png`` shows the boot loader."""
    return Path(screenshot).stem.removeprefix("screen-")


def _clock(seconds: float) -> str:
    """A moment, to the second, in UTC: reports travel."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _file_name(path: str) -> str:
    return Path(path).name


def _embedded(image: Path) -> str:
    """A PNG as a data URL; empty where it is missing or too large."""
    if not image.is_file() or image.stat().st_size > _LARGEST_EMBEDDED_BYTES:
        return ""
    return f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"
