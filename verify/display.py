"""Shows a run while it goes on: one line per cell on a terminal, plain lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from mic.progress import can_rewrite_lines
from verify.engine.events import (
    AccessFailed,
    CheckBegun,
    CheckEnded,
    Event,
    EventReader,
    MachineEnded,
    MachineStarted,
    Noted,
    PhaseReached,
    Selected,
)
from verify.verdict import Verdict

_LOOK_EVERY_SECONDS = 0.25


@dataclass
class CellProgress:
    """How far one cell is, in words."""

    total: int = 0
    ended: int = 0
    wrong: int = 0
    phase: str = ""
    doing: str = "waiting"
    seen: set[str] = field(default_factory=set)


@dataclass
class RunProgress:
    """All cells, brought forward by events; `take` returns the lines a log should have."""

    begun: float = field(default_factory=time.monotonic)
    cells: dict[str, CellProgress] = field(default_factory=dict)

    def take(self, event: Event) -> Iterator[str]:
        """Brings the cells up to date with one event."""
        name = event.outcome.cell if isinstance(event, CheckEnded) else event.cell
        cell = self.cells.setdefault(name, CellProgress())
        match event:
            case Selected():
                cell.total = len(event.checks)
            case MachineStarted():
                cell.phase = "starting"
                yield self._line(name, f"machine started ({event.accelerator}: {event.accelerator_reason})")
            case PhaseReached():
                cell.phase = event.phase
                yield self._line(name, f"reached {event.phase} after {event.seconds:.1f} s")
            case AccessFailed():
                yield self._line(name, f"no shell by {event.reason}; trying {event.next}")
            case CheckBegun():
                cell.doing = event.check
            case CheckEnded():
                yield from self._ended(name, cell, event)
            case Noted():
                yield self._line(name, f"note: {event.text}")
            case MachineEnded():
                cell.phase = "ended"

    def _ended(self, name: str, cell: CellProgress, event: CheckEnded) -> Iterator[str]:
        outcome = event.outcome
        if outcome.id in cell.seen:
            return
        cell.seen.add(outcome.id)
        cell.ended += 1
        if outcome.verdict not in (Verdict.PASS, None):
            cell.wrong += 1
            reason = outcome.reason.split("\n")[0]
            yield self._line(name, f"{outcome.verdict.value}: {outcome.requirement}: {reason}")
        if cell.ended == cell.total:
            cell.doing = "done"
            yield self._line(name, f"{cell.ended} checks made, {cell.wrong} failed")

    def _line(self, cell: str, text: str) -> str:
        return f"[{time.monotonic() - self.begun:6.1f} s] {cell}: {text}"

    def table(self) -> Table:
        """The cells as they stand, for a terminal."""
        table = Table(box=None, pad_edge=False)
        for heading in ("cell", "phase", "checks", "failed", "now"):
            table.add_column(heading)
        for name, cell in self.cells.items():
            wrong = f"[red]{cell.wrong}[/red]" if cell.wrong else "0"
            table.add_row(name, cell.phase, f"{cell.ended}/{cell.total}", wrong, cell.doing)
        return table


@contextmanager
def shown(events_file: Path, stream: TextIO) -> Iterator[None]:
    """Shows on `stream` what is told in the events file while the block runs."""
    over = threading.Event()
    work = _live if can_rewrite_lines(stream) else _plain
    thread = threading.Thread(target=work, args=(EventReader(events_file), stream, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _plain(reader: EventReader, stream: TextIO, over: threading.Event) -> None:
    progress = RunProgress()
    last_look = False
    while not last_look:
        last_look = over.wait(_LOOK_EVERY_SECONDS)
        for event in reader.new():
            for line in progress.take(event):
                stream.write(f"{line}\n")
        stream.flush()


def _live(reader: EventReader, stream: TextIO, over: threading.Event) -> None:
    progress = RunProgress()
    last_look = False
    console = Console(file=stream)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not last_look:
            last_look = over.wait(_LOOK_EVERY_SECONDS)
            for event in reader.new():
                for line in progress.take(event):
                    live.console.print(line, markup=False, highlight=False)
            live.update(progress.table(), refresh=True)
