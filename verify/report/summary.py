"""The end of a run in a few lines, for the terminal or a log."""

from __future__ import annotations

from pathlib import Path

from verify.report.model import Report
from verify.report.page import tally, word
from verify.verdict import Verdict


def summary(report: Report, page: Path) -> str:
    """Per cell verdict, seconds and counts; each failing requirement with its reason; where the page is."""
    width = max((len(cell.id) for cell in report.cells), default=0)
    lines = []
    for cell in report.cells:
        lines.append(f"{cell.id:<{width}}  {cell.seconds:6.1f} s  {word(cell.verdict)}: {tally(cell)}")
        for outcome in cell.outcomes:
            if outcome.verdict not in (Verdict.PASS, None):
                reason = outcome.reason.strip().replace("\n", "\n      ")
                lines.append(f"    {word(outcome.verdict)}: {outcome.requirement} [{outcome.id}]\n      {reason}")
    if not report.cells:
        lines.append("no check was run")
    lines.append(f"{word(report.verdict)} after {report.seconds:.0f} s; report: {page}")
    return "\n".join(lines)
