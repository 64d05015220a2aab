"""QEMU's command line for a machine."""

from __future__ import annotations

from pathlib import Path

from verify.machine.firmware import Firmware, find_ovmf
from verify.machine.spec import Accelerator, Attachment, MachineSpec

QEMU = "qemu-system-x86_64"
MAC_ADDRESS = "52:54:00:12:34:56"
MEDIUM = "medium"

# How QEMU is talked to by a person who runs the machine again by hand: the serial line on the terminal,
# QEMU's monitor behind Ctrl-A C.
CHANNELS_BY_HAND = ("-serial", "mon:stdio")

# Without KVM: qemu64 boots fastest (41 CPU seconds to a login where Nehalem takes 65), SVM is of no use, and
# the rest, which costs nothing, makes it an x86-64-v2, below which newer distributions do not start.
_TCG_CPU = "qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt"
_FORMATS = {".qcow2": "qcow2", ".vhd": "vpc", ".vhdx": "vhdx"}


def other_disk(number: int) -> str:
    """The name of another disk's drive; `number` counts from 0."""
    return f"other{number}"


def hardware_arguments(spec: MachineSpec, accelerator: Accelerator) -> tuple[str, ...]:
    """The machine itself, without the channels it is talked to through.

    Raises `HostFault` when the host has no firmware for it.
    """
    # With graphics, so that there is a screen to photograph; without defaults, so that nothing is there
    # by accident. A reset ends the machine, and a machine that has ended waits to be looked at.
    arguments = [
        *("-nodefaults", "-no-user-config", "-display", "none", "-vga", "std"),
        *("-machine", "q35", "-accel", accelerator.name),
        *("-cpu", "host" if accelerator.name == "kvm" else _TCG_CPU),
        *("-smp", str(spec.cpus), "-m", str(spec.memory_mib)),
        *("-boot", "strict=on"),
        *("-action", "reboot=shutdown,shutdown=pause,panic=pause"),
        *("-device", "pvpanic"),
        # A network card to be seen and configured, but nothing to reach: a live medium must boot without.
        *("-netdev", "user,id=network,restrict=on"),
        *("-device", f"virtio-net-pci,netdev=network,mac={MAC_ADDRESS},romfile="),
    ]
    if spec.firmware is Firmware.UEFI:
        ovmf = find_ovmf()
        arguments += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escaped(ovmf.code)}"]
        arguments += ["-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={_escaped(ovmf.variables)}"]
    arguments += _medium_arguments(spec)
    for number, disk in enumerate(spec.other_disks):
        arguments += ["-drive", _drive(other_disk(number), disk, "snapshot=on")]
        arguments += ["-device", f"virtio-blk-pci,drive={other_disk(number)}"]
    return tuple(arguments)


def _medium_arguments(spec: MachineSpec) -> list[str]:
    access = "readonly=on,media=cdrom" if spec.attachment.is_optical else "snapshot=on"
    arguments = ["-drive", _drive(MEDIUM, spec.medium, access)]
    first = f"drive={MEDIUM},bootindex=0"
    match spec.attachment:
        case Attachment.CDROM:
            arguments += ["-device", f"ide-cd,bus=ide.0,{first}"]
        case Attachment.SCSI_CDROM:
            arguments += ["-device", "virtio-scsi-pci", "-device", f"scsi-cd,{first}"]
        case Attachment.USB_STICK:
            arguments += ["-device", "qemu-xhci", "-device", f"usb-storage,removable=on,{first}"]
        case Attachment.VIRTIO_DISK:
            arguments += ["-device", f"virtio-blk-pci,{first}"]
        case Attachment.SATA_DISK:
            arguments += ["-device", f"ide-hd,bus=ide.0,{first}"]
    return arguments


def _drive(name: str, file: Path, access: str) -> str:
    # By name and never by a look inside: a guest could write a qcow2 header into a raw disk, and name any
    # file of the host in it.
    image_format = _FORMATS.get(file.suffix, "raw")
    return f"if=none,id={name},format={image_format},{access},file={_escaped(file)}"


def _escaped(path: Path) -> str:
    """A path inside a QEMU option, where a comma is written twice."""
    return str(path.absolute()).replace(",", ",,")
