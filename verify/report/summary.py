"""The end of a run in a few lines, for the terminal or a log."""

from __future__ import annotations

from pathlib import Path

from verify.report.model import CellReport, Report
from verify.report.page import tally, word
from verify.verdict import Verdict


def nth(number: int) -> str:
    """``2nd``: for tries, which are never as many as to need a rule."""
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


def ended(cell: CellReport) -> str:
    """A cell's verdict in words: ``pass``, or ``pass at the 2nd try``."""
    tries = len(cell.earlier_tries) + 1
    return word(cell.verdict) if tries == 1 else f"{word(cell.verdict)} at the {nth(tries)} try"


def _wrong(cell: CellReport) -> list[str]:
    lines = []
    for outcome in cell.outcomes:
        if outcome.verdict not in (Verdict.PASS, None):
            reason = outcome.reason.strip().replace("\n", "\n      ")
            lines.append(f"    {word(outcome.verdict)}: {outcome.requirement} [{outcome.id}]\n      {reason}")
    return lines


def summary(report: Report, page: Path) -> str:
    """Per cell verdict, seconds, counts and notes; each failing requirement with its reason; notes; the page."""
    width = max((len(cell.id) for cell in report.cells), default=0)
    lines = []
    for cell in report.cells:
        lines.append(f"{cell.id:<{width}}  {cell.seconds:6.1f} s  {ended(cell)}: {tally(cell)}")
        for number, earlier in enumerate(cell.earlier_tries, start=1):
            lines.append(f"    the {nth(number)} try ended as {word(earlier.verdict)}:")
            lines += _wrong(earlier)
        lines += _wrong(cell)
        lines += [f"    note: {note}" for note in (() if cell.machine is None else cell.machine.notes)]
        lines += _against_baseline(cell)
    lines += [f"note: {note}" for note in report.notes]
    if not report.cells:
        lines.append("no check was run")
    lines.append(f"{word(report.verdict)} after {report.seconds:.0f} s; report: {page}")
    return "\n".join(lines)


def _against_baseline(cell: CellReport) -> list[str]:
    """How long each step of the boot took, as a multiple of the baseline's; nothing without one."""
    ratios = [] if cell.machine is None else [time for time in cell.machine.phases if time.ratio is not None]
    if not ratios:
        return []
    return [f"    boot against the baseline: {', '.join(f'{time.phase} × {time.ratio:.2f}' for time in ratios)}"]
