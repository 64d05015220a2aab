"""What machine a medium is tried on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from verify.machine.firmware import Firmware


class Attachment(Enum):
    """How the medium is connected."""

    CDROM = "cd"
    SCSI_CDROM = "scsi-cd"
    USB_STICK = "usb"
    VIRTIO_DISK = "virtio-disk"
    SATA_DISK = "sata-disk"

    def __str__(self) -> str:
        return self.value

    @property
    def is_optical(self) -> bool:
        """Whether the guest sees a CD, which it cannot write to."""
        return self in (Attachment.CDROM, Attachment.SCSI_CDROM)


@dataclass(frozen=True)
class Accelerator:
    """How the processor is provided, why so, and by how much it stretches time (KVM: 1.0)."""

    name: Literal["kvm", "tcg"]
    reason: str
    time_scale: float


@dataclass(frozen=True)
class MachineSpec:
    """One machine: the medium it boots first, and what else it has.

    No file named here is ever written to. A disk or stick is writable for the guest, as a real one would
    be: what it writes goes into a temporary layer and is reported by `Machine.disk_writes`. `memory_mib` is
    in MiB. `oem_strings` are told to the guest in its SMBIOS table (type 11) and appear in no argument list;
    `second_serial` gives it a second serial port, whose line is `Machine.second_console`.
    """

    medium: Path
    firmware: Firmware
    attachment: Attachment = Attachment.CDROM
    memory_mib: int = 1536
    cpus: int = 1
    other_disks: tuple[Path, ...] = ()
    oem_strings: tuple[SecretStr, ...] = ()
    second_serial: bool = False
