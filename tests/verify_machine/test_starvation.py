from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mic import programs
from verify.machine.starvation import ProcessorHunger

WINDOW_SECONDS = 2.0
SPIN = "import os; os.nice({nice}); os.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"


def verdict_on(program: str, *rivals: str) -> str | None:
    """Whether a Python program was starved in two seconds, with others beside it."""
    with hunger_of(program, *rivals) as hunger:
        return hunger.starved(WINDOW_SECONDS - 0.5)


def waited_by(program: str, *rivals: str) -> float | None:
    """How long it was kept waiting in these two seconds."""
    with hunger_of(program, *rivals) as hunger:
        return hunger.waited_seconds()


def idle(program: str, seconds: float = WINDOW_SECONDS - 0.5) -> bool:
    """Whether it was idle in the last `seconds`."""
    with hunger_of(program) as hunger:
        return hunger.idle(seconds)


@contextmanager
def hunger_of(program: str, *rivals: str) -> Iterator[ProcessorHunger]:
    """What the hunger of a Python program that still runs looks like after two seconds."""
    with ExitStack() as running:
        for rival in rivals:
            running.enter_context(programs.started(sys.executable, "-c", rival))
        process = running.enter_context(programs.started(sys.executable, "-c", program))
        hunger = ProcessorHunger(process.pid)
        end = time.monotonic() + WINDOW_SECONDS
        while time.monotonic() < end:
            hunger.sample()
            time.sleep(0.05)
        yield hunger


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


def test_only_a_guest_that_waits_by_the_clock_is_idle() -> None:
    assert idle("import time; time.sleep(60)")
    assert not idle("while True: pass")
    assert not idle("import time\nwhile True: open('/dev/zero', 'rb').read(1 << 20); time.sleep(0.1)")


def test_a_guest_that_has_been_seen_too_shortly_is_not_called_idle() -> None:
    assert not idle("import time; time.sleep(60)", 60)


def stalled(program: str, *rivals: str) -> str | None:
    with hunger_of(program, *rivals) as hunger:
        return hunger.stalled(WINDOW_SECONDS - 0.5)


def test_a_guest_that_shares_its_processor_with_two_others_is_stalled_though_not_starved() -> None:
    processor = min(os.sched_getaffinity(0))
    fair = SPIN.format(nice=0, processor=processor)
    told = stalled(fair, fair, fair)
    assert told is not None
    assert re.match("the host kept the guest waiting for [12] of ", told)


def test_a_guest_that_waits_for_something_is_not_stalled() -> None:
    assert stalled("import time; time.sleep(60)") is None
