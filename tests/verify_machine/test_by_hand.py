"""`mic boot` as it is used: on a terminal, and in a pipe; nothing is left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pexpect
import pytest

from mic import programs
from tests.verify_machine.boot_sector import BootSector, Deed

WAIT_SECONDS = 60
LOGIN = b"Linux version 6.1.0\r\nlive login: "


def command(medium: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "mic.cli", "boot", str(medium), "--attachment", "virtio-disk", "--memory", "64",
            "--firmware", "bios", *options]  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return {**os.environ, "TMPDIR": str(scratch)}


def nothing_is_left(environment: dict[str, str], medium: Path) -> bool:
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
    return not os.listdir(environment["TMPDIR"]) and not any(str(medium).encode() in line for line in running)


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_on_a_terminal_the_console_is_the_users_until_control_a_x(tmp_path: Path, environment: dict[str, str]) -> None:
    medium = BootSector(b"ready\r\n", Deed.ECHO).write_to(tmp_path / "live.iso")
    program, *arguments = command(medium)
    with pexpect.spawn(program, arguments, timeout=WAIT_SECONDS, env=environment) as terminal:
        terminal.expect(rb"booting live\.iso \(bios, virtio-disk, 64 MiB, .*Ctrl-A X ends it")
        terminal.expect(b"ready")
        terminal.send("ping-pong")
        terminal.expect(b"ping-pong")
        terminal.send("\x03")  # the guest's, not ours
        terminal.send("\x01x")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 0
    assert nothing_is_left(environment, medium)


def test_a_machine_that_switches_itself_off_ends_the_command(tmp_path: Path, environment: dict[str, str]) -> None:
    medium = BootSector(b"bye\r\n", Deed.POWER_OFF).write_to(tmp_path / "live.iso")
    program, *arguments = command(medium)
    with pexpect.spawn(program, arguments, timeout=WAIT_SECONDS, env=environment) as terminal:
        terminal.expect(b"bye")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 0


def test_without_a_terminal_the_console_is_shown_up_to_the_login_prompt(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    medium = BootSector(b"\x1b[1mhello\x1b[0m\r\n" + LOGIN).write_to(tmp_path / "live.iso")
    shown = programs.run(*command(medium), env=environment, timeout=WAIT_SECONDS)
    assert shown.stdout == b"hello\r\n" + LOGIN
    assert "the login prompt is there" in shown.stderr.decode()
    assert nothing_is_left(environment, medium)


def test_without_a_terminal_a_failure_ends_it_with_its_cause(tmp_path: Path, environment: dict[str, str]) -> None:
    medium = BootSector(b"GNU GRUB\r\ngrub> ").write_to(tmp_path / "live.iso")
    shown = programs.run(*command(medium), env=environment, timeout=WAIT_SECONDS, check=False)
    assert shown.exit_code == 1
    assert "product failure: GRUB found no configuration and stopped at its prompt (phase boot-loader" in (
        shown.stderr.decode()
    )
    assert shown.stdout == b"GNU GRUB\r\ngrub> "


def test_what_a_guest_writes_to_a_disk_is_forgotten(tmp_path: Path, environment: dict[str, str]) -> None:
    medium = BootSector(b"GNU GRUB\r\n", Deed.WRITE).write_to(tmp_path / "live.iso")
    disk = BootSector(b"x").write_to(tmp_path / "disk.raw")
    before = medium.read_bytes(), disk.read_bytes()
    with programs.started(*command(medium, "--disk", str(disk)), env=environment) as boot:
        assert boot.stdout is not None
        assert boot.stdout.readline() == b"GNU GRUB\r\n"
    assert (medium.read_bytes(), disk.read_bytes()) == before


def test_a_disk_that_is_not_there_is_the_users_to_mend(tmp_path: Path, environment: dict[str, str]) -> None:
    medium = BootSector(b"x").write_to(tmp_path / "live.iso")
    refused = programs.run(*command(medium, "--disk", str(tmp_path / "gone.raw")), env=environment, check=False)
    assert refused.exit_code == 2
    assert "gone.raw: there is no such file" in refused.stderr.decode()
