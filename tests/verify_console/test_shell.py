from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify_console.noisy_line import Noise, NoisyLine, console_of, login_shell
from verify.console.serial import SerialConsole
from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.machine.failure import CommandTimedOut, ConsoleLost, GuestFailed

SHELLS = ("dash", "bash", "busybox")
# The rates at which other protocols were wrong in a third of all commands.
NOISES = (Noise(0.0005), Noise(0.002), Noise(0.0005, input_lost=0.001), Noise(0.0005, 0.001, 0.0002))
OPENING_SECONDS = 60


def opened(console: SerialConsole) -> Shell:
    return Shell.open(console, Deadline(OPENING_SECONDS))


@pytest.fixture(params=SHELLS)
def guest(request: pytest.FixtureRequest) -> Iterator[tuple[SerialConsole, NoisyLine, Path]]:
    """A quiet line to each kind of login shell."""
    with login_shell(request.param) as (console, line, home):
        yield console, line, home


Guest = tuple[SerialConsole, NoisyLine, Path]


def test_exit_code_and_both_outputs_come_back_exactly(guest: Guest) -> None:
    with opened(guest[0]) as shell:
        result = shell.run("printf 'a\\000b\\n\\n'; printf 'wrong' >&2; exit 7")
        assert (result.exit_code, result.stdout, result.stderr) == (7, b"a\0b\n\n", b"wrong")
        assert result.seconds > 0


def test_a_command_may_have_many_lines_and_any_quotes(guest: Guest) -> None:
    with opened(guest[0]) as shell:
        command = 'cat <<\'END\'\nit\'s "$HOME" `x` \\ ü %s ; & | { } < > #\nEND\necho "$((6*7))"'
        assert shell.run(command).stdout == 'it\'s "$HOME" `x` \\ ü %s ; & | { } < > #\n42\n'.encode()


def test_binary_input_of_many_pieces_passes_through_unchanged(guest: Guest) -> None:
    data = random.Random(3).randbytes(40_000)
    with opened(guest[0]) as shell:
        assert shell.run("cat", stdin=data).stdout == data


def test_an_empty_command_succeeds_without_output(guest: Guest) -> None:
    with opened(guest[0]) as shell:
        result = shell.run("")
        assert (result.exit_code, result.stdout, result.stderr) == (0, b"", b"")


def test_a_command_has_no_terminal_and_an_empty_input(guest: Guest) -> None:
    with opened(guest[0]) as shell:
        assert shell.run("cat; [ -t 0 ] || echo none; cat </dev/tty || echo none").stdout == b"none\nnone\n"


def test_directory_and_umask_are_those_of_the_login(guest: Guest) -> None:
    with opened(guest[0]) as shell:
        inherited = os.umask(0o022)
        os.umask(inherited)
        assert shell.run("pwd; umask").text == f"{os.getcwd()}\n{inherited:04o}"


def test_a_killed_command_shows_its_signal(guest: Guest) -> None:
    with opened(guest[0]) as shell:
        assert shell.run("kill -9 $$").exit_code == 128 + 9


def test_a_command_that_hangs_is_ended_and_the_shell_lives_on(guest: Guest) -> None:
    seconds = 100_000 + os.getpid()  # a number nobody else sleeps for
    with opened(guest[0]) as shell:
        with pytest.raises(CommandTimedOut, match=f"sleep {seconds}"):
            shell.run(f"sleep {seconds} & sleep {seconds}; wait", timeout=0.5)
        assert shell.run("ps -e -o args 2>/dev/null || ps").stdout.count(f"sleep {seconds}".encode()) == 0
        assert shell.run("echo alive").stdout == b"alive\n"


def test_a_slow_machine_gets_more_time_for_a_command() -> None:
    with login_shell("dash", time_scale=4.0) as (console, _, _), opened(console) as shell:
        assert shell.run("sleep 1; echo done", timeout=0.5).stdout == b"done\n"


def test_nothing_is_left_behind(guest: Guest) -> None:
    console, _, home = guest
    console.send(b" stty -a; echo mark-$((1+1))\n")
    console.expect(b"mark-2", timeout=20)
    before = console.before
    with opened(console) as shell:
        directory = shell.run('dirname "$0"').text
        shell.run("true", stdin=b"secret")
        assert Path(directory).is_dir()
        assert Path(directory).stat().st_mode & 0o777 == 0o700
    assert not Path(directory).exists()
    console.forget()
    console.send(b" stty -a; echo mark-$((1+1))\n")
    console.expect(b"mark-2", timeout=20)
    assert _settings(console.before) == _settings(before)
    assert _settings(before)
    console.send(b" exit\n")
    with pytest.raises(ConsoleLost):
        console.expect(b"never", timeout=20)
    assert [entry.name for entry in home.iterdir() if entry.name != "bin"] == []


def _settings(said: object) -> list[bytes]:
    """The lines of stty -a, without the echo of the command and the prompts around them."""
    assert isinstance(said, bytes)
    begin = said.rindex(b"speed ")
    return said[begin:].splitlines()[:-1]


def test_a_line_that_hangs_up_leaves_nothing_behind_either() -> None:
    with login_shell("dash") as (console, _, _):
        directory = Path(opened(console).run('dirname "$0"').text)
        assert directory.is_dir()
    end = Deadline(10)
    while directory.exists():
        assert not end.expired
        time.sleep(0.01)


def test_a_secret_on_standard_input_is_in_no_log(tmp_path: Path) -> None:
    log = tmp_path / "timed.log"
    with login_shell("bash", log=log) as (console, line, _):
        with opened(console) as shell:
            assert shell.run("sha256sum", stdin=b"geheim7-geheim7").exit_code == 0
        shown = bytes(line.shown)
    # geheim7-geheim7 in base64, at any offset
    for trace in (b"geheim7", b"Z2VoZWltNy1nZWhlaW0", b"ZWhlaW03LWdlaGVpbT", b"aGVpbTctZ2VoZWltN"):
        assert trace not in shown
        assert trace.decode() not in log.read_text()


def test_a_terminal_that_echoes_is_refused_before_a_secret_is_typed(tmp_path: Path) -> None:
    deaf = tmp_path / "stty"
    deaf.write_text("#!/bin/sh\n")
    deaf.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PS1": "$ ", "ENV": ""}
    with (
        console_of(["dash", "-i"], environment=environment) as (console, _),
        pytest.raises(ConsoleLost, match="echoes"),
    ):
        opened(console)


def test_an_answer_that_cannot_be_written_down_is_an_error_not_a_short_answer(tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    rc.write_text("ulimit -f 40\n")  # blocks of 512 bytes: the output fits, its base64 does not
    environment = {"ENV": str(rc), "PS1": "$ "}
    with console_of(["dash", "-i"], environment=environment) as (console, _):
        shell = opened(console)
        assert shell.run("head -c 3000 /dev/zero").stdout == bytes(3000)
        with pytest.raises(ConsoleLost, match="no room"):
            shell.run("head -c 18000 /dev/zero")


def test_output_that_cannot_be_numbered_is_an_error_and_the_shell_lives_on() -> None:
    with login_shell("dash") as (console, _, _), opened(console) as shell:
        with pytest.raises(ConsoleLost, match="too long for the console"):
            shell.run("head -c 6000000 /dev/zero")
        assert shell.run("echo alive").text == "alive"


def test_no_shell_at_all_is_told_by_the_deadline() -> None:
    with (
        console_of(["sh", "-c", "trap '' INT; while :; do cat; done"]) as (console, _),
        pytest.raises(ConsoleLost, match="no shell answers"),
    ):
        Shell.open(console, Deadline(1))


def test_a_session_that_ends_under_a_command_is_told_soon() -> None:
    # A login that is over shows the getty's prompt: here, a loop that prints one.
    script = "dash -i; stty -echo; while :; do printf '\\nlive login: '; read x; done"
    with console_of(["sh", "-c", script], environment={"PS1": "$ ", "ENV": ""}) as (console, _):
        shell = opened(console)
        directory = shell.run('dirname "$0"').text
        begin = time.monotonic()
        with pytest.raises(ConsoleLost, match="session has ended"):
            # The helper and the login shell above it.
            shell.run("kill -9 $(ps -o ppid= -p $PPID) $PPID", timeout=60)
        with pytest.raises(ConsoleLost, match="session has ended"):
            shell.run("echo nobody hears this")
        assert time.monotonic() - begin < 20
        shutil.rmtree(directory)  # nobody is left who could


def test_a_panic_during_a_command_is_the_guests_failure() -> None:
    with login_shell("dash") as (console, _, _):
        shell = opened(console)
        terminal = shell.run("ls -l /proc/$PPID/fd/0 | sed 's/.* //'").text
        with pytest.raises(GuestFailed, match="panicked"):
            shell.run(f"echo '[ 1.0] Kernel panic - not syncing: test' >{terminal}; sleep 60")


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_noise_is_never_believed_and_a_command_runs_once(name: str, noise: Noise) -> None:
    generator = random.Random(11)
    with login_shell(name, noise=noise, seed=generator.randrange(1 << 30)) as (console, _, home):
        with opened(console) as shell:
            for number in range(12):
                data = generator.randbytes(generator.choice((0, 1, 50, 400, 3000)))
                result = shell.run(f"echo ran >>{home}/ran; cat; printf '%s' {number} >&2; exit {number}", stdin=data)
                assert (result.exit_code, result.stderr) == (number, str(number).encode())
                assert result.stdout == data
        assert (home / "ran").read_text().count("ran") == 12


def test_large_output_survives_noise() -> None:
    with login_shell("dash", noise=Noise(0.0005, 0.001), seed=5) as (console, _, _), opened(console) as shell:
        result = shell.run("head -c 200000 /dev/zero | tr '\\000' x; exit 3")
        assert (result.exit_code, result.stdout) == (3, b"x" * 200_000)
