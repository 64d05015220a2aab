from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack

from mic import programs
from verify.machine.starvation import ProcessorHunger

WINDOW_SECONDS = 2.0
SPIN = "import os; os.nice({nice}); os.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"


def verdict_on(program: str, *rivals: str) -> str | None:
    """What the hunger of a Python program looks like after two seconds, with others beside it."""
    return hunger_of(program, *rivals)[0]


def waited_by(program: str, *rivals: str) -> float | None:
    """How long it was kept waiting in these two seconds."""
    return hunger_of(program, *rivals)[1]


def hunger_of(program: str, *rivals: str) -> tuple[str | None, float | None]:
    with ExitStack() as running:
        for rival in rivals:
            running.enter_context(programs.started(sys.executable, "-c", rival))
        process = running.enter_context(programs.started(sys.executable, "-c", program))
        hunger = ProcessorHunger(process.pid)
        hunger.start_waiting()
        end = time.monotonic() + WINDOW_SECONDS
        while time.monotonic() < end:
            hunger.sample()
            time.sleep(0.05)
        return hunger.starved(WINDOW_SECONDS - 0.5), hunger.waited_seconds()


def test_a_guest_that_gets_no_processor_is_starved() -> None:
    processor = min(os.sched_getaffinity(0))
    rivals = [SPIN.format(nice=0, processor=processor)] * 2
    verdict = verdict_on(SPIN.format(nice=19, processor=processor), *rivals)
    assert verdict is not None
    assert verdict.startswith("the guest wanted 1.0 processors and got 0.")


def test_a_guest_that_waits_for_something_is_not_starved() -> None:
    assert verdict_on("import time; time.sleep(60)") is None


def test_a_guest_that_is_gone_is_not_starved() -> None:
    assert verdict_on("pass") is None


def test_time_without_a_processor_is_counted() -> None:
    processor = min(os.sched_getaffinity(0))
    waited = waited_by(SPIN.format(nice=19, processor=processor), SPIN.format(nice=0, processor=processor))
    assert waited is not None
    assert WINDOW_SECONDS / 2 < waited < WINDOW_SECONDS + 0.5


def test_sleeping_is_no_waiting_for_a_processor() -> None:
    waited = waited_by("import time; time.sleep(60)")
    assert waited is not None
    assert waited < WINDOW_SECONDS / 2
