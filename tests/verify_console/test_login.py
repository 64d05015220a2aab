from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify_console.noisy_line import Noise, NoisyLine, console_of
from tests.verify_console.real_getty import PASSWORD, Account, getty_console, today
from verify.console.login import LoginResult, log_in, log_out, wait_for_login_prompt
from verify.console.serial import SerialConsole
from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.machine.failure import ConsoleLost, GuestFailed

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a getty with other users")

WAIT_SECONDS = 60
# Everything a harness could mistake for something else.
MOTD = "Welcome! 100% of us are # 1 $\nlogin: \nPassword: \nPress Enter to continue\nat-1234-home\nroot@live:~# \n"

Getty = tuple[SerialConsole, NoisyLine]


def result_of(console: SerialConsole, user: str, password: str = PASSWORD) -> LoginResult:
    wait_for_login_prompt(console, Deadline(WAIT_SECONDS))
    return log_in(console, user, password, Deadline(WAIT_SECONDS))


@pytest.fixture
def getty(tmp_path: Path) -> Iterator[Getty]:
    accounts = (
        Account("plain"),
        Account("dashed", shell="/bin/dash"),
        Account("aged", changed_day=0),
        Account("gone", expires_day=str(today() - 5)),
        Account("locked", lock="!"),
        Account("noshell", shell="/usr/sbin/nologin"),
        Account("false", shell="/bin/false"),
        Account("open", no_password=True),
        Account("sleeper", shell="/bin/cat"),
    )
    with getty_console(tmp_path, accounts, motd=MOTD, log=tmp_path / "timed.log") as getty:
        yield getty


@pytest.mark.parametrize(
    ("user", "password", "result"),
    [
        ("plain", PASSWORD, LoginResult.ACCEPTED),
        ("dashed", PASSWORD, LoginResult.ACCEPTED),
        ("plain", "wrong", LoginResult.REFUSED),
        ("plain", PASSWORD[:-1], LoginResult.REFUSED),
        ("nobody-of-this-name", PASSWORD, LoginResult.REFUSED),
        ("locked", PASSWORD, LoginResult.REFUSED),
        ("aged", PASSWORD, LoginResult.EXPIRED),
        ("gone", PASSWORD, LoginResult.LOCKED_OUT),
        ("noshell", PASSWORD, LoginResult.NO_SHELL),
        ("false", PASSWORD, LoginResult.NO_SHELL),
        ("open", "anything", LoginResult.ACCEPTED),
    ],
)
def test_each_way_a_login_ends_is_told_apart(getty: Getty, user: str, password: str, result: LoginResult) -> None:
    assert result_of(getty[0], user, password) is result


def test_a_program_that_is_no_shell_is_no_shell(getty: Getty) -> None:
    wait_for_login_prompt(getty[0], Deadline(WAIT_SECONDS))
    assert log_in(getty[0], "sleeper", PASSWORD, Deadline(6)) is LoginResult.NO_SHELL
    assert result_of(getty[0], "plain") is LoginResult.ACCEPTED


def test_one_login_after_another_whatever_the_last_one_left(getty: Getty) -> None:
    console = getty[0]
    for user, password, result in (
        ("aged", PASSWORD, LoginResult.EXPIRED),
        ("plain", "wrong", LoginResult.REFUSED),
        ("plain", PASSWORD, LoginResult.ACCEPTED),
        ("dashed", PASSWORD, LoginResult.ACCEPTED),
        ("gone", PASSWORD, LoginResult.LOCKED_OUT),
        ("plain", PASSWORD, LoginResult.ACCEPTED),
    ):
        assert result_of(console, user, password) is result
        if result is LoginResult.ACCEPTED:
            with Shell.open(console, Deadline(WAIT_SECONDS)) as shell:
                assert shell.run("whoami").text == user
            log_out(console, Deadline(WAIT_SECONDS))


def test_a_wrong_password_is_tried_no_more_than_once(getty: Getty) -> None:
    # More tries could lock the account (pam_faillock).
    assert result_of(getty[0], "plain", "wrong") is LoginResult.REFUSED
    assert bytes(getty[1].shown).count(b"Login incorrect") == 1


def test_the_password_is_in_no_log(getty: Getty, tmp_path: Path) -> None:
    assert result_of(getty[0], "plain") is LoginResult.ACCEPTED
    assert result_of_logout(getty[0])
    assert PASSWORD.encode() not in bytes(getty[1].shown)
    assert PASSWORD not in (tmp_path / "timed.log").read_text()


def result_of_logout(console: SerialConsole) -> bool:
    log_out(console, Deadline(WAIT_SECONDS))
    return True


def test_a_history_of_the_login_is_not_kept(getty: Getty, tmp_path: Path) -> None:
    assert result_of(getty[0], "plain") is LoginResult.ACCEPTED
    log_out(getty[0], Deadline(WAIT_SECONDS))
    assert list((tmp_path / "home-plain").iterdir()) == []


def test_a_late_getty_is_waited_for(tmp_path: Path) -> None:
    with getty_console(tmp_path, (Account("plain"),), delay_seconds=5) as (console, _):
        assert result_of(console, "plain") is LoginResult.ACCEPTED


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("noise", [Noise(0.005), Noise(0.002, input_lost=0.01)], ids=str)
def test_noise_neither_refuses_a_right_password_nor_accepts_a_wrong_one(
    tmp_path: Path, noise: Noise, seed: int
) -> None:
    accounts = (Account("plain"),)
    with getty_console(tmp_path, accounts, noise=noise, seed=seed, motd=MOTD) as (console, _):
        wait_for_login_prompt(console, Deadline(WAIT_SECONDS))
        result = log_in(console, "plain", PASSWORD, Deadline(WAIT_SECONDS), refusals=4)
        assert result is LoginResult.ACCEPTED
        log_out(console, Deadline(WAIT_SECONDS))
        assert result_of(console, "plain", "wrong") is LoginResult.REFUSED


def test_a_name_that_lost_a_byte_is_typed_again(tmp_path: Path) -> None:
    with getty_console(tmp_path, (Account("plain"),), noise=Noise(lost_bytes=(2,))) as (console, _):
        assert result_of(console, "plain") is LoginResult.ACCEPTED


def test_a_password_that_lost_a_byte_is_typed_again_where_that_is_asked_for(tmp_path: Path) -> None:
    noise = Noise(lost_bytes=(len("plain\r") + 2,))
    with getty_console(tmp_path, (Account("plain"),), noise=noise) as (console, _):
        wait_for_login_prompt(console, Deadline(WAIT_SECONDS))
        assert log_in(console, "plain", PASSWORD, Deadline(WAIT_SECONDS), refusals=2) is LoginResult.ACCEPTED


def test_a_prompt_covered_by_a_kernel_line_is_brought_back() -> None:
    # A getty that prompts once and again after Enter, and a kernel that talks over its first prompt.
    script = (
        "echo 'Welcome to Debian!'; printf 'live log'; echo '[    9.123456] usb 1-1: new device'; "
        "while read x; do printf 'live login: '; done"
    )
    with console_of(["sh", "-c", script]) as (console, _):
        begin = time.monotonic()
        wait_for_login_prompt(console, Deadline(WAIT_SECONDS))
        assert time.monotonic() - begin < 10


def test_no_prompt_by_the_deadline_is_the_guests_failure() -> None:
    with (
        console_of(["sh", "-c", "echo 'Welcome to Debian!'; sleep 60"]) as (console, _),
        pytest.raises(GuestFailed, match=r"no login prompt after 2 s.*phase userspace"),
    ):
        wait_for_login_prompt(console, Deadline(2))


def test_a_console_without_getty_is_no_place_to_log_in() -> None:
    with console_of(["cat"]) as (console, _), pytest.raises(ConsoleLost, match="no login prompt within"):
        log_in(console, "plain", PASSWORD, Deadline(1))
