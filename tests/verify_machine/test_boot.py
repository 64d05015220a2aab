"""A whole boot of a real system: firmware, GRUB, kernel, initrd, systemd, getty, login, commands, panic."""

from __future__ import annotations

import time
from pathlib import Path, PurePosixPath

import pytest

from fixtures.variants import WriteFile, make_variant, root_editor
from mic import programs
from verify.console.login import LoginResult, log_in, log_out, wait_for_login_prompt
from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.machine.accelerator import Accelerator, probe_accelerator
from verify.machine.failure import GuestFailed
from verify.machine.firmware import Firmware
from verify.machine.machine import Machine
from verify.machine.phase import Phase
from verify.machine.spec import Attachment, MachineSpec

PASSWORD = "right horse $1"
SHADOW = PurePosixPath("/etc/shadow")


@pytest.fixture
def disk(bookworm: Path, tmp_path: Path) -> Path:
    """The base image, with a password for root."""
    hashed = programs.run("openssl", "passwd", "-6", "-stdin", stdin=f"{PASSWORD}\n".encode()).text.strip()
    shadow = root_editor(bookworm).request(f"cat {SHADOW}")
    others = [line for line in shadow.splitlines() if not line.startswith("root:")]
    lines = [f"root:{hashed}:19000:0:99999:7:::", *others]
    changed = WriteFile(str(SHADOW), "".join(f"{line}\n" for line in lines), mode=0o640, gid=42)
    return make_variant(bookworm, tmp_path / "disk.raw", [changed])


def deadline(accelerator: Accelerator, seconds: float) -> Deadline:
    return Deadline(seconds * accelerator.time_scale)


@pytest.mark.boot
@pytest.mark.image
def test_an_installed_system_boots_lets_root_in_and_answers_commands(disk: Path, tmp_path: Path) -> None:
    accelerator = probe_accelerator(Firmware.BIOS)
    evidence = tmp_path / "evidence"
    untouched = disk.stat().st_mtime_ns
    with Machine(MachineSpec(disk, Firmware.BIOS, Attachment.VIRTIO_DISK), accelerator, evidence) as machine:
        console = machine.console
        wait_for_login_prompt(console, deadline(accelerator, 120))
        assert list(machine.phase_times) == list(Phase)
        assert list(machine.phase_times.values()) == sorted(machine.phase_times.values())
        machine.screenshot(evidence / "login.png")

        assert log_in(console, "root", "wrong", deadline(accelerator, 60)) is LoginResult.REFUSED
        assert log_in(console, "root", PASSWORD, deadline(accelerator, 60)) is LoginResult.ACCEPTED
        with Shell.open(console, deadline(accelerator, 30)) as shell:
            commands_are_answered(shell)
            left = shell.run('dirname "$0"').text
        log_out(console, deadline(accelerator, 60))
        assert log_in(console, "root", PASSWORD, deadline(accelerator, 60)) is LoginResult.ACCEPTED
        shell = Shell.open(console, deadline(accelerator, 30))
        assert shell.run(f"ls {left}").exit_code != 0
        assert shell.run("cat ~/.bash_history").stdout == b""
        a_panic_is_told_at_once(shell)

    # An installed system writes to its disk; the file below never changes.
    assert machine.disk_writes()[0].operations > 0
    assert disk.stat().st_mtime_ns == untouched
    assert (evidence / "login.png").read_bytes().startswith(b"\x89PNG")
    logs = [(evidence / name).read_text(errors="replace") for name in ("serial.log", "serial-timed.log")]
    assert all("login:" in log and PASSWORD not in log for log in logs)


def commands_are_answered(shell: Shell) -> None:
    result = shell.run("id -un; echo oh >&2; exit 3")
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"root\n", b"oh\n")
    data = bytes(range(256)) * 16
    assert shell.run("cat", stdin=data).stdout == data
    # The network card is there, and nothing answers outside.
    assert "52:54:00:12:34:56" in shell.run("cat /sys/class/net/*/address").text
    # Kernel messages on the very line, at the highest priority, while answers are on their way.
    noisy = 'for i in 1 2 3 4 5 6 7 8; do echo "<1>noise $i" >/dev/kmsg; done; seq 2000'
    assert shell.run(noisy).stdout == "".join(f"{number}\n" for number in range(1, 2001)).encode()


def a_panic_is_told_at_once(shell: Shell) -> None:
    begin = time.monotonic()
    with pytest.raises(GuestFailed, match="panicked") as failure:
        shell.run("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 600", timeout=600)
    assert time.monotonic() - begin < 60
    assert failure.value.phase is Phase.LOGIN
