"""What a machine has beyond the ordinary: texts in its SMBIOS table, a second serial line."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.verify_machine.boot_sector import BootSector, Deed
from verify.machine.accelerator import Accelerator
from verify.machine.failure import GuestFailed
from verify.machine.firmware import Firmware
from verify.machine.machine import Machine
from verify.machine.spec import Attachment, MachineSpec
from verify.verdict import HarnessFault

TCG = Accelerator("tcg", "works everywhere", 6.0)
WAIT_SECONDS = 60
AT_ONCE_SECONDS = 2.0
MEMORY_MIB = 64


def spec_of(sector: BootSector, directory: Path) -> MachineSpec:
    medium = sector.write_to(directory / "medium.raw")
    return MachineSpec(medium, Firmware.BIOS, Attachment.VIRTIO_DISK, memory_mib=MEMORY_MIB)


def test_oem_string_is_in_the_guests_memory_and_in_no_argument_and_no_evidence(tmp_path: Path) -> None:
    secret = f"io.example:{'x' * 700}-{os.urandom(8).hex()}"
    spec = replace(spec_of(BootSector(b"ready\r\n"), tmp_path), oem_strings=(SecretStr(secret),))
    evidence, dump = tmp_path / "evidence", tmp_path / "memory"
    with Machine(spec, TCG, evidence) as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        process = machine._process
        assert process is not None
        assert secret.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert not [arg for arg in machine.command_line if secret in arg]
        machine.qmp("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(dump))
        assert secret.encode() in dump.read_bytes()
    assert not [file.name for file in evidence.iterdir() if secret.encode() in file.read_bytes()]


def test_second_serial_line_takes_and_shows_what_is_typed(tmp_path: Path) -> None:
    spec = replace(spec_of(BootSector(b"ready\r\n", Deed.ECHO_ON_COM2), tmp_path), second_serial=True)
    with Machine(spec, TCG, tmp_path / "evidence") as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        machine.second_console.send(b"ping-pong")
        machine.second_console.expect(b"ping-pong", timeout=WAIT_SECONDS)
    assert (tmp_path / "evidence/serial-second.log").read_bytes() == b"ping-pong"
    assert (tmp_path / "evidence/serial.log").read_bytes() == b"ready\r\n"


def test_guest_that_ends_ends_a_wait_on_the_second_line_at_once_and_for_the_same_cause(tmp_path: Path) -> None:
    spec = replace(spec_of(BootSector(b"ready\r\n", Deed.RESET), tmp_path), second_serial=True)
    with Machine(spec, TCG, tmp_path / "evidence") as machine:
        machine.console.expect(b"ready", timeout=WAIT_SECONDS)
        begin = time.monotonic()
        with pytest.raises(GuestFailed, match="restarted itself"):
            machine.second_console.expect(b"never said", timeout=WAIT_SECONDS)
        assert time.monotonic() - begin < AT_ONCE_SECONDS


def test_machine_without_a_second_line_says_so(tmp_path: Path) -> None:
    with (
        Machine(spec_of(BootSector(b"ready\r\n"), tmp_path), TCG, tmp_path / "evidence") as machine,
        pytest.raises(HarnessFault, match="no second serial line"),
    ):
        _ = machine.second_console
