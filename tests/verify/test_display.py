"""A run can be followed: one line per thing worth knowing in a log, a table on a terminal."""

from __future__ import annotations

import io
import os
import pty
import select
from pathlib import Path

import pytest
from rich.console import Console

from tests.verify.test_report import CELL, EVENTS, outcome
from verify.display import RunProgress, shown
from verify.engine.events import CheckBegun, CheckEnded, Noted, PhaseReached, Selected, tell
from verify.verdict import Verdict


def test_log_has_phases_failures_and_ends(tmp_path: Path) -> None:
    stream = io.StringIO()
    file = tmp_path / "events"
    with shown(file, stream):
        for event in EVENTS:
            tell(file, event)
    lines = [line.split("] ", 1)[1] for line in stream.getvalue().splitlines()]
    assert f"{CELL.id}: machine started (tcg: no /dev/kvm here)" in lines
    assert f"{CELL.id}: reached kernel after 7.2 s" in lines
    assert any("product failure: Requirement wrong: wrong because" in line for line in lines)
    assert "medium: 1 checks made, 0 failed" in lines
    assert not any("Requirement boot" in line for line in lines)


def test_cell_shows_what_it_is_doing() -> None:
    progress = RunProgress()
    for event in (Selected("c", ("a", "b")), CheckBegun("c", "a")):
        assert list(progress.take(event)) == []
    assert (progress.cells["c"].doing, progress.cells["c"].total) == ("a", 2)
    list(progress.take(CheckEnded(outcome("a", Verdict.HOST_FAULT, "why"))))
    assert (progress.cells[CELL.id].ended, progress.cells[CELL.id].wrong) == (1, 1)


def test_terminal_table_has_cell_phase_and_check() -> None:
    progress = RunProgress()
    for event in (Selected("the-cell", ("a", "b")), CheckBegun("the-cell", "a"), PhaseReached("the-cell", "initrd", 2)):
        list(progress.take(event))
    console = Console(file=io.StringIO(), width=100)
    console.print(progress.table())
    assert isinstance(console.file, io.StringIO)
    heading, row = console.file.getvalue().splitlines()
    assert heading.split() == ["cell", "phase", "checks", "failed", "now"]
    assert row.split() == ["the-cell", "initrd", "0/2", "0", "a"]


def test_what_is_missing_of_the_evidence_is_in_the_log() -> None:
    assert [line.partition("] ")[2] for line in RunProgress().take(Noted("c", "no journal: lost"))] == [
        "c: note: no journal: lost"
    ]


def shown_on_a_terminal(file: Path, parts: tuple[str, ...]) -> str:
    """What a terminal gets, read until all `parts` are there."""
    parent, child = pty.openpty()
    # The terminal stays open until it is read: closing it may throw away what is still on its way.
    still_open = os.dup(child)
    with os.fdopen(child, "w") as stream, shown(file, stream):
        for event in (Selected("the-cell", ("a", "b")), CheckBegun("the-cell", "a-check"), *EVENTS):
            tell(file, event)
    text = ""
    while not all(part in text for part in parts):
        assert select.select([parent], [], [], 10)[0], f"the terminal shows only {text!r}"
        text += os.read(parent, 1 << 16).decode()
    os.close(still_open)
    os.close(parent)
    return text


def test_terminal_shows_the_cell_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b" in shown_on_a_terminal(tmp_path / "events", ("the-cell", "a-check", "0/2"))


def test_terminal_without_escape_sequences_gets_plain_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = shown_on_a_terminal(tmp_path / "events", (f"{CELL.id}: reached kernel after 7.2 s",))
    assert "\x1b" not in text
