from __future__ import annotations

import hashlib
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from mic import programs
from tests.verify_console.test_asciicast import Recording
from tests.verify_machine.boot_sector import BootSector, Deed
from verify.deadline import Deadline
from verify.machine.accelerator import Accelerator, trial
from verify.machine.disk_counts import DiskWrites
from verify.machine.failure import GuestFailed, MachineLost
from verify.machine.firmware import Firmware
from verify.machine.kept import running_in
from verify.machine.machine import Machine
from verify.machine.phase import Phase
from verify.machine.qmp import QmpError
from verify.machine.spec import Attachment, MachineSpec
from verify.verdict import HarnessFault, HostFault, Verdict

TCG = Accelerator("tcg", "works everywhere", 6.0)
NEVER = re.compile(rb"this is never said")
WAIT_SECONDS = 60
AT_ONCE_SECONDS = 2.0
READY = BootSector(b"ready\r\n")


def machine_of(
    sector: BootSector,
    directory: Path,
    *,
    firmware: Firmware = Firmware.BIOS,
    attachment: Attachment = Attachment.VIRTIO_DISK,
    other_disks: tuple[Path, ...] = (),
) -> Machine:
    medium = sector.write_to(directory / "medium.raw")
    spec = MachineSpec(medium, firmware, attachment, memory_mib=64, other_disks=other_disks)
    return Machine(spec, TCG, directory / "evidence")


def test_the_console_shows_what_the_guest_says_and_takes_what_is_typed(tmp_path: Path) -> None:
    with machine_of(BootSector(b"ready\r\n", Deed.ECHO), tmp_path) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        machine.console.send(b"ping-pong")
        machine.console.expect(b"ping-pong", timeout=WAIT_SECONDS)
    assert (tmp_path / "evidence/serial.log").read_bytes() == b"ready\r\nping-pong"
    assert re.search(r"^\[ +\d+\.\d{3}\] ready$", (tmp_path / "evidence/serial-timed.log").read_text(), re.M)


def test_a_guest_that_restarts_has_failed_and_is_told_at_once(tmp_path: Path) -> None:
    with machine_of(BootSector(b"bye\r\n", Deed.RESET), tmp_path) as machine:
        machine.console.expect(b"bye", timeout=WAIT_SECONDS)
        begin = time.monotonic()
        with pytest.raises(GuestFailed, match="restarted itself"):
            machine.console.expect(NEVER, timeout=WAIT_SECONDS)
        assert time.monotonic() - begin < AT_ONCE_SECONDS


def test_a_guest_that_switches_itself_off_has_failed(tmp_path: Path) -> None:
    with (
        machine_of(BootSector(b"bye\r\n", Deed.POWER_OFF), tmp_path) as machine,
        pytest.raises(GuestFailed, match="switched itself off"),
    ):
        machine.console.expect(NEVER, timeout=WAIT_SECONDS)


def test_a_killed_qemu_is_the_hosts_fault_and_is_told_at_once(tmp_path: Path) -> None:
    with machine_of(READY, tmp_path) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        os.kill(process_of(machine), signal.SIGKILL)
        begin = time.monotonic()
        with pytest.raises(MachineLost, match="QEMU died") as lost:
            machine.console.expect(NEVER, timeout=WAIT_SECONDS)
        assert time.monotonic() - begin < AT_ONCE_SECONDS
        assert lost.value.verdict is Verdict.HOST_FAULT
        with pytest.raises(QmpError):
            machine.qmp("query-status")


def test_a_medium_with_nothing_to_boot_is_named(tmp_path: Path) -> None:
    medium = tmp_path / "empty.raw"
    medium.write_bytes(bytes(1 << 20))
    with Machine(MachineSpec(medium, Firmware.BIOS), TCG, tmp_path / "evidence") as machine:
        with pytest.raises(GuestFailed, match="found nothing to boot") as failure:
            machine.console.expect(NEVER, timeout=WAIT_SECONDS)
        assert failure.value.phase is Phase.FIRMWARE


def test_a_guest_that_says_nothing_more_is_named_with_its_phase(tmp_path: Path) -> None:
    sector = BootSector(b"GNU GRUB  version 2.06\r\nLinux version 6.1.0\r\n")
    with (
        machine_of(sector, tmp_path) as machine,
        pytest.raises(GuestFailed, match=r"no login prompt, and nothing new for 2 s \(phase kernel") as failure,
    ):
        machine.console.await_boot("login prompt", [NEVER], Deadline(WAIT_SECONDS), silence=2 / TCG.time_scale)
    assert failure.value.last_lines == ("GNU GRUB  version 2.06", "Linux version 6.1.0")


def test_the_firmwares_own_jump_is_the_boot_loaders_phase(tmp_path: Path) -> None:
    with machine_of(READY, tmp_path) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        assert machine.phase is Phase.BOOT_LOADER
        assert 0 < machine.phase_times[Phase.BOOT_LOADER] < WAIT_SECONDS


def test_what_a_guest_writes_is_counted_and_no_file_changes(tmp_path: Path) -> None:
    other = tmp_path / "other.raw"
    other.write_bytes(bytes(1 << 20))
    with machine_of(BootSector(b"ready\r\n", Deed.WRITE), tmp_path, other_disks=(other,)) as machine:
        before = digest(machine.spec.medium)
        end = Deadline(WAIT_SECONDS)
        while machine.disk_writes()[0].operations == 0:
            assert not end.expired
            time.sleep(0.05)
    assert machine.disk_writes() == (DiskWrites(machine.spec.medium, 1, 512), DiskWrites(other, 0, 0))
    assert digest(machine.spec.medium) == before


def test_a_machine_that_only_looks_has_written_nothing(tmp_path: Path) -> None:
    with machine_of(READY, tmp_path) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
    assert [writes.bytes for writes in machine.disk_writes()] == [0]


def test_a_screenshot_is_a_png(tmp_path: Path) -> None:
    with machine_of(READY, tmp_path) as machine:
        machine.screenshot(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_a_shutdown_may_come_twice_and_ends_qemu(tmp_path: Path) -> None:
    machine = machine_of(READY, tmp_path)
    machine.launch()
    pid = process_of(machine)
    machine.shutdown()
    machine.shutdown()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(QmpError, match="not running"):
        machine.qmp("query-status")


def test_qemu_dies_with_the_harness(tmp_path: Path) -> None:
    medium = READY.write_to(tmp_path / "medium.raw")
    program = f"""
import pathlib, signal, sys
from tests.verify_machine.test_machine import *
machine = Machine(MachineSpec(pathlib.Path({str(medium)!r}), Firmware.BIOS), TCG, pathlib.Path({str(tmp_path)!r}))
machine.launch()
print(process_of(machine), flush=True)
signal.pause()
"""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with programs.started(sys.executable, "-c", program, env=environment) as harness:
        assert harness.stdout is not None
        pid = int(harness.stdout.readline())
        assert "qemu" in Path(f"/proc/{pid}/cmdline").read_text()
        assert list(scratch.iterdir()) == []
        harness.kill()
        end = Deadline(WAIT_SECONDS)
        while Path(f"/proc/{pid}").exists():
            assert not end.expired, "QEMU has outlived its harness"
            time.sleep(0.05)


def test_a_qemu_that_refuses_its_machine_is_the_hosts_fault(tmp_path: Path) -> None:
    medium = READY.write_to(tmp_path / "medium.raw")
    spec = MachineSpec(medium, Firmware.BIOS, memory_mib=1 << 30)
    with pytest.raises(HostFault, match=r"QEMU did not start: .*(memory|RAM)"):
        Machine(spec, TCG, tmp_path / "evidence").launch()


def test_a_missing_medium_is_named(tmp_path: Path) -> None:
    spec = MachineSpec(tmp_path / "gone.iso", Firmware.BIOS)
    with pytest.raises(HostFault, match=r"gone\.iso is not there"):
        Machine(spec, TCG, tmp_path / "evidence").launch()


def test_a_secret_the_guest_echoed_is_taken_out_of_the_raw_log(tmp_path: Path) -> None:
    with machine_of(BootSector(b"Password: ", Deed.ECHO), tmp_path) as machine:
        machine.console.expect(b"Password: ", timeout=WAIT_SECONDS)
        with machine.console.guarding("geheim7"):
            machine.console.send(b"geheim7!")
            machine.console.expect(b"!", timeout=WAIT_SECONDS)
    assert (tmp_path / "evidence/serial.log").read_bytes() == b"Password: *******!"
    assert "geheim7" not in (tmp_path / "evidence/serial-timed.log").read_text()


@pytest.mark.parametrize("attachment", list(Attachment), ids=str)
@pytest.mark.parametrize("firmware", list(Firmware), ids=str)
def test_qemu_takes_every_machine_and_a_comma_in_a_path(
    tmp_path: Path, firmware: Firmware, attachment: Attachment
) -> None:
    directory = tmp_path / "a,b"
    directory.mkdir()
    with machine_of(READY, directory, firmware=firmware, attachment=attachment) as machine:
        assert machine.qmp("query-status") is not None
        writes = machine.disk_writes()
    assert [write.disk for write in writes] == ([] if attachment.is_optical else [machine.spec.medium])


def test_the_command_line_runs_the_same_machine_by_hand(tmp_path: Path) -> None:
    with machine_of(READY, tmp_path) as machine:
        command = machine.command_line
    assert (tmp_path / "evidence/qemu-command.txt").read_text() == f"{shlex.join(command)}\n"
    with programs.started(*command) as qemu:
        assert qemu.stdout is not None
        assert b"ready" in qemu.stdout.readline()


@pytest.mark.parametrize("firmware", list(Firmware), ids=str)
def test_a_firmware_that_runs_passes_its_trial(firmware: Firmware) -> None:
    assert trial(TCG, firmware, Deadline(WAIT_SECONDS)) is None


def test_a_firmware_that_does_not_get_on_fails_its_trial() -> None:
    # UEFI under TCG needs seconds: a tenth of one is a machine that hangs.
    obstacle = trial(TCG, Firmware.UEFI, Deadline(0.1))
    assert obstacle is not None
    assert obstacle.startswith("no end of the firmware after 0 s (phase firmware")


def process_of(machine: Machine) -> int:
    """QEMU's process id, from the machine's own name for it in /proc."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for file in children for pid in file.read_text().split()]
    evidence = str(machine.evidence.absolute())
    found = [pid for pid in pids if evidence in Path(f"/proc/{pid}/cmdline").read_text()]
    assert len(found) == 1
    return found[0]


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_recording_and_the_version_are_there(tmp_path: Path) -> None:
    with machine_of(READY, tmp_path) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        machine.console.mark("a mark")
        assert re.fullmatch(r"\d+\.\d+\.\d+", machine.qemu_version())
    recording = Recording.read(tmp_path / "evidence/console.cast")
    assert "ready" in recording.shown
    assert "a mark" in [text for _, code, text in recording.events if code == "m"]


def test_how_long_the_host_kept_the_guest_waiting_is_known_for_each_phase(tmp_path: Path) -> None:
    with machine_of(BootSector(b"Linux version 6.1\r\n"), tmp_path) as machine:
        machine.console.expect(b"Linux version", timeout=WAIT_SECONDS)
        times, delays = machine.phase_times, machine.phase_delays
    assert 0 <= delays[Phase.KERNEL] <= times[Phase.KERNEL] + 0.1


def test_a_kept_machine_can_be_attached_to_and_ended_and_leaves_nothing(tmp_path: Path) -> None:
    # Deeper than the 107 bytes that the name of a socket may have.
    directory = tmp_path / ("deep" * 30)
    directory.mkdir()
    medium = BootSector(b"ready\r\n", Deed.ECHO).write_to(directory / "medium.raw")
    spec = MachineSpec(medium, Firmware.BIOS, Attachment.VIRTIO_DISK, memory_mib=64)
    evidence = directory / "evidence"
    with Machine(spec, TCG, evidence, keep=True) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        kept = machine.leave_running()
    assert running_in(evidence) == kept.pid
    assert str(kept) in (evidence / "kept.txt").read_text()
    with programs.started(sys.executable, "-c", ATTACH, cwd=evidence, stdin=True) as attached:
        assert programs.finished(attached, timeout=WAIT_SECONDS).text == "still-here QMP running\n"
    (command,) = re.findall(r"to end it: +(.*)", str(kept))
    programs.run(*shlex.split(command))
    end = Deadline(WAIT_SECONDS)
    while running_in(evidence) is not None:
        assert not end.expired
        time.sleep(0.05)
    assert {path.suffix for path in evidence.iterdir()} <= {".log", ".txt", ".cast"}
    assert (evidence / "serial.log").read_bytes() == b"ready\r\nstill-here"


# Run in the directory of the sockets, as the commands that are told do.
ATTACH = """
import json, socket
console, monitor = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
console.connect("console.sock")
console.sendall(b"still-here")
said = b""
while len(said) < 10:
    said += console.recv(100)
monitor.connect("qmp.sock")
lines = monitor.makefile("rw")
greeting = json.loads(lines.readline())
for command in ("qmp_capabilities", "query-status"):
    print(json.dumps({"execute": command}), file=lines, flush=True)
    answer = json.loads(lines.readline())
print(said.decode(), *greeting, answer["return"]["status"])
"""


def test_a_machine_to_be_kept_that_nobody_leaves_is_ended_like_any(tmp_path: Path) -> None:
    medium = READY.write_to(tmp_path / "medium.raw")
    with Machine(MachineSpec(medium, Firmware.BIOS, memory_mib=64), TCG, tmp_path / "evidence", keep=True):
        assert running_in(tmp_path / "evidence") is not None
    assert running_in(tmp_path / "evidence") is None


def test_a_machine_that_dies_with_the_harness_cannot_be_left(tmp_path: Path) -> None:
    with machine_of(READY, tmp_path) as machine, pytest.raises(HarnessFault, match="dies with the harness"):
        machine.leave_running()


def test_reads_of_the_medium_and_of_another_disk_are_told_apart(tmp_path: Path) -> None:
    other = tmp_path / "other.raw"
    other.write_bytes(bytes(1 << 20))
    with machine_of(READY, tmp_path, other_disks=(other,)) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        medium, beside = machine.disk_reads()
    assert (medium.disk, beside.disk) == (machine.spec.medium, other)
    assert medium.bytes >= 512 > beside.bytes == 0
