from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tests.verify_console.noisy_line import console_of
from verify.console.serial import SerialConsole
from verify.deadline import Deadline
from verify.machine.failure import ConsoleLost, GuestFailed, MachineLost
from verify.machine.patterns import KERNEL_OOPS, KERNEL_PANIC
from verify.machine.phase import Phase

NEVER = re.compile(rb"this is never said")
AT_ONCE_SECONDS = 2.0


@contextmanager
def saying(script: str, log: Path | None = None) -> Iterator[SerialConsole]:
    """The console of a "guest" that is a shell script on a terminal."""
    with console_of(["sh", "-c", script], log=log) as (console, _):
        yield console


def test_a_line_that_is_closed_ends_a_wait_at_once() -> None:
    with saying("echo bye") as console:
        begin = time.monotonic()
        with pytest.raises(ConsoleLost, match="closed") as lost:
            console.expect(NEVER, timeout=60)
        assert time.monotonic() - begin < AT_ONCE_SECONDS
        assert lost.value.last_lines == ("bye",)


def test_what_was_said_before_the_end_can_still_be_read() -> None:
    with saying("echo last words") as console:
        assert console.expect(b"last words", timeout=10) == 0


def test_a_panic_ends_any_wait_at_once_and_every_later_one() -> None:
    with saying("echo; echo '[    2.1] Kernel panic - not syncing: no init'; cat") as console:
        begin = time.monotonic()
        for _ in range(2):
            with pytest.raises(GuestFailed, match="the kernel panicked") as failure:
                console.expect(NEVER, timeout=60)
        assert time.monotonic() - begin < AT_ONCE_SECONDS
        assert "Kernel panic" in str(failure.value)


def test_a_panic_is_told_even_if_nobody_was_waiting_when_it_came() -> None:
    with saying("echo 'Kernel panic - not syncing: x'; echo ready; cat") as console:
        console_settles(console, "ready")
        with pytest.raises(GuestFailed, match="panicked"):
            console.expect(b"ready", timeout=10)


def test_an_oops_fails_one_wait_and_no_more() -> None:
    with saying("echo 'BUG: unable to handle page fault'; read go; echo ready; cat") as console:
        with pytest.raises(GuestFailed, match="oops"):
            console.expect(NEVER, timeout=10)
        console.send(b"go\n")
        assert console.expect(b"ready", timeout=10) == 0


def test_a_tolerated_pattern_lets_the_wait_go_on() -> None:
    script = "read go; echo 'Kernel panic - not syncing: wanted'; echo ready; cat"
    with saying(script) as console, console.tolerating(KERNEL_PANIC, KERNEL_OOPS):
        console.send(b"go\n")
        assert console.expect(b"ready", timeout=10) == 0


def test_the_line_is_read_while_nobody_waits(tmp_path: Path) -> None:
    done = tmp_path / "done"
    with saying(f"yes 0123456789 | head -c 400000; touch {done}; cat"):
        end = Deadline(10)
        while not done.exists():
            assert not end.expired, "the guest was stalled by an unread console"
            time.sleep(0.01)


def test_escape_sequences_are_gone_from_what_is_matched() -> None:
    with saying("printf '\\033[?2004hroot\\033[0m@live\\n'; cat") as console:
        assert console.expect(b"root@live", timeout=10) == 0


def test_silence_ends_a_boot_long_before_its_ceiling() -> None:
    with saying("echo 'Linux version 6.1'; cat") as console:
        begin = time.monotonic()
        with pytest.raises(GuestFailed, match=r"no prompt, and nothing new for 1 s.*phase kernel"):
            console.await_boot("prompt", [NEVER], Deadline(60), silence=1)
        assert time.monotonic() - begin < 1 + AT_ONCE_SECONDS


def test_progress_keeps_a_slow_boot_alive() -> None:
    script = "i=0; while [ $i -lt 12 ]; do i=$((i+1)); echo step $i; sleep 0.25; done; echo here; cat"
    with saying(script) as console:
        assert console.await_boot("here", [re.compile(b"here")], Deadline(60), silence=1) == 0


def test_a_start_job_that_waits_for_ever_is_no_progress_and_is_named() -> None:
    script = (
        "while :; do printf '\\r[ *** ] A start job is running for /dev/disk/by-label/GONE (%ss)' x; sleep 0.1; done"
    )
    with saying(script) as console, pytest.raises(GuestFailed, match=r"it waits: .*by-label/GONE"):
        console.await_boot("prompt", [NEVER], Deadline(60), silence=1)


def test_the_ceiling_ends_a_boot_that_chatters_for_ever() -> None:
    with (
        saying("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done") as console,
        pytest.raises(GuestFailed, match="no prompt after 1 s"),
    ):
        console.await_boot("prompt", [NEVER], Deadline(1.2), silence=30)


def test_an_expired_expect_is_a_timeout_like_any_of_pexpect() -> None:
    with saying("cat") as console, pytest.raises(pexpect.TIMEOUT):
        console.expect(NEVER, timeout=0.1)


def test_the_phase_follows_the_console_though_nobody_waits() -> None:
    script = "echo 'Linux version 6.1'; echo 'Run /init as init process'; printf 'live login: '; cat"
    with saying(script) as console:
        console_settles(console, "login")
        assert console.phase is Phase.LOGIN
        assert list(console.phase_times) == [Phase.FIRMWARE, Phase.KERNEL, Phase.INITRD, Phase.LOGIN]


def test_a_secret_that_is_echoed_is_in_no_log_and_no_error(tmp_path: Path) -> None:
    log = tmp_path / "timed.log"
    with saying("read x; sleep 0.3; echo $x; sleep 0.1", log) as console:
        with console.guarding("geheim7"):
            console.send(b"geheim7\n")
            with pytest.raises(ConsoleLost) as lost:
                console.expect(NEVER, timeout=10)
        assert console.leaked_secrets == ("geheim7",)
        assert "geheim7" not in str(lost.value)
        assert "geheim7" not in str(console.circumstances)
    assert "geheim7" not in log.read_text()


def test_input_that_is_never_taken_is_a_lost_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.console.serial._SEND_SECONDS", 0.5)
    with saying("stty raw -echo; sleep 60") as console, pytest.raises(ConsoleLost, match="takes no input"):
        console.send(b"x" * 10_000_000)


def console_settles(console: SerialConsole, text: str) -> None:
    """Waits until the console's thread has seen `text`, without reading anything."""
    end = Deadline(10)
    while not any(text in line for line in console.circumstances.last_lines):
        assert not end.expired
        time.sleep(0.01)


def test_a_log_that_cannot_be_written_is_the_hosts_fault_and_ends_every_wait() -> None:
    with saying("read go; echo text; cat", Path("/dev/full")) as console:
        console.send(b"go\n")
        with pytest.raises(MachineLost, match="cannot be written: No space left"):
            console.expect(NEVER, timeout=30)


def test_lines_that_repeat_for_ever_are_no_progress() -> None:
    # dracut 059 after two thirds of its time: the same three lines, twice a second, until it gives up.
    loop = 'while :; do t=$((t+1)); echo "[  $t.123456] dracut-initqueue[377]: finished/dev.sh: is not there"'
    with saying(f"t=100; {loop}; sleep 0.1; done") as console:
        begin = time.monotonic()
        with pytest.raises(GuestFailed, match="nothing new for 1 s"):
            console.await_boot("prompt", [NEVER], Deadline(30), silence=1)
        assert time.monotonic() - begin < 4


def test_a_job_that_systemd_gives_up_by_itself_is_waited_for() -> None:
    job = "[ *** ] A start job is running for Wait for Network to be Configured (58s / 1min 1s)"
    with saying(f"echo '{job}'; sleep 2; echo here; cat") as console:
        assert console.await_boot("here", [re.compile(b"here")], Deadline(60), silence=1) == 0


def test_a_job_with_no_limit_is_not_waited_for_longer_than_silence() -> None:
    job = "[ *** ] A start job is running for dracut initqueue hook (58s / no limit)"
    with saying(f"echo '{job}'; cat") as console, pytest.raises(GuestFailed, match=r"it waits: .*initqueue hook"):
        console.await_boot("prompt", [NEVER], Deadline(60), silence=1)


@pytest.mark.parametrize(
    ("guest", "expected"),
    [
        ("exec cat", "nothing new for 10 s, and an idle processor"),
        ("while :; do :; done", "nothing new for 15 s"),
    ],
    ids=["idle", "computing"],
)
def test_only_a_silent_guest_that_idles_is_given_up_before_a_slow_machines_time(guest: str, expected: str) -> None:
    with (
        console_of(["sh", "-c", guest], time_scale=3, watched=True) as (console, _),
        pytest.raises((GuestFailed, MachineLost), match=f"no prompt, .*{expected}"),
    ):
        console.await_boot("prompt", [NEVER], Deadline(60), silence=5)


def test_what_is_tolerated_for_good_ends_no_wait_and_is_remembered() -> None:
    with console_of(
        ["sh", "-c", "echo 'Kernel panic - not syncing: x'; echo ready; cat"], tolerated=(KERNEL_PANIC,)
    ) as (
        console,
        _,
    ):
        assert console.expect(b"ready", timeout=10) == 0
        assert console.seen_patterns == {KERNEL_PANIC: "Kernel panic - not syncing: x"}
