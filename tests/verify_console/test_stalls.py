"""A kernel that complains of a stuck processor is believed, unless the host did not let it run."""

from __future__ import annotations

import os

import pytest

from tests.verify_machine.test_starvation import SPIN, hunger_of
from verify.console.observer import ConsoleObserver
from verify.machine.failure import GuestFailed, MachineLost

STALL = b"[   73.495359] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\r\n"
NO_TIMER = (
    b"[    0.048000] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug and send a report."
    b"  Then try booting with the 'noapic' option.\r\n"
)
PANIC = b"[    1.048000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n"
OOPS = b"[   74.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008\r\n"


def observer_of(guest: str, *rivals: str, shown: bytes) -> ConsoleObserver:
    """What is made of `shown` when the guest is a Python program with rivals beside it."""
    with hunger_of(guest, *rivals) as hunger:
        observer = ConsoleObserver(None, None, hunger)
        observer.take(shown)
        return observer


@pytest.fixture(scope="module")
def on_a_busy_host() -> tuple[str, str, str]:
    processor = min(os.sched_getaffinity(0))
    rival = SPIN.format(nice=0, processor=processor)
    return SPIN.format(nice=15, processor=processor), rival, rival


def test_a_stall_while_the_host_ran_others_ends_no_wait_and_is_counted(on_a_busy_host: tuple[str, str, str]) -> None:
    observer = observer_of(*on_a_busy_host, shown=STALL)
    assert observer.alarm is None
    assert observer.excused == 1


def test_an_emulated_processor_that_is_stuck_for_a_while_ends_no_wait_and_is_counted() -> None:
    observer = ConsoleObserver(None, None, None, emulated=True)
    observer.take(STALL)
    assert observer.alarm is None
    assert observer.excused == 1
    observer.take(OOPS)
    assert isinstance(observer.alarm, GuestFailed)


def test_a_busy_host_excuses_nothing_but_stalls(on_a_busy_host: tuple[str, str, str]) -> None:
    observer = observer_of(*on_a_busy_host, shown=OOPS)
    assert isinstance(observer.alarm, GuestFailed)
    assert observer.excused == 0


def test_a_stall_of_a_guest_that_the_host_let_run_is_its_own_fault() -> None:
    observer = observer_of("import time; time.sleep(60)", shown=STALL)
    assert isinstance(observer.alarm, GuestFailed)
    assert "stuck" in str(observer.alarm)


def test_a_panic_for_want_of_ticks_is_the_hosts_fault_in_an_emulated_machine() -> None:
    observer = ConsoleObserver(None, None, None, emulated=True)
    observer.take(NO_TIMER)
    assert isinstance(observer.alarm, MachineLost)
    assert "got no ticks of its timer" in str(observer.alarm)
    assert observer.fatal


def test_a_panic_for_want_of_ticks_is_the_guests_own_where_the_host_let_it_run() -> None:
    observer = observer_of("import time; time.sleep(60)", shown=NO_TIMER)
    assert isinstance(observer.alarm, GuestFailed)


def test_any_other_panic_is_the_guests_own_in_an_emulated_machine() -> None:
    observer = ConsoleObserver(None, None, None, emulated=True)
    observer.take(PANIC)
    assert isinstance(observer.alarm, GuestFailed)
