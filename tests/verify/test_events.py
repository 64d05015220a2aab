"""What workers tell arrives whole, in order, also from a worker that died while it told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from verify.engine.events import (
    CheckBegun,
    CheckEnded,
    Event,
    EventReader,
    MachineEnded,
    MachineStarted,
    Noted,
    PhaseReached,
    Screenshot,
    Selected,
    ShellOpened,
    tell,
)
from verify.machine.host_class import HostClass
from verify.outcome import Observation, Outcome
from verify.verdict import Verdict

OUTCOME = Outcome(
    "c", "i", "r", "s", Verdict.HOST_FAULT, "seen", "why", (Observation("x", 1, "é\n\0", 2.0, 0.5),), 1.0, 2.0, "t"
)
EVENTS: tuple[Event, ...] = (
    Selected("c", ("a", "b")),
    CheckBegun("c", "a", 1.0),
    CheckEnded(OUTCOME),
    PhaseReached("c", "kernel", 2.0),
    PhaseReached("c", "initrd", 3.0, 0.5),
    MachineStarted("c", "tcg", "because", ("qemu", "-x"), 1.0, HostClass("a cpu", "tcg", 2, "7.2.0"), 6.0),
    Noted("c", "no journal: nobody has logged in"),
    ShellOpened("c", "u", "sudo"),
    Screenshot("c", "x.png"),
    MachineEnded("c", 3.0),
)


def test_every_event_comes_back_as_it_was_told(tmp_path: Path) -> None:
    file = tmp_path / "events"
    for event in EVENTS:
        tell(file, event)
    assert tuple(EventReader(file).new()) == EVENTS


def test_only_new_and_whole_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "events"
    reader = EventReader(file)
    assert list(reader.new()) == []
    tell(file, EVENTS[0])
    assert list(reader.new()) == [EVENTS[0]]
    tell(file, EVENTS[1])
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    assert list(reader.new()) == []
    file.write_bytes(whole)
    assert list(reader.new()) == [EVENTS[1]]


def test_lines_of_several_workers_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "events"
    long = Selected("c", tuple(f"check-{number}" for number in range(2000)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: tell(file, long), range(64)))
    assert list(EventReader(file).new()) == [long] * 64
