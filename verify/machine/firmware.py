"""The firmware a machine starts with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from verify.verdict import HostFault


class Firmware(Enum):
    """What runs before the boot loader."""

    BIOS = "bios"
    UEFI = "uefi"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class FirmwareFiles:
    """A build of OVMF: the code, and a template of its variable store. Neither is ever written to."""

    code: Path
    variables: Path


# Debian and Ubuntu (4M builds first, as older ones lack room in the variable store), Fedora and RHEL, Arch,
# openSUSE. Code and variables of one build belong together.
_OVMF_BUILDS: tuple[tuple[str, str], ...] = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
)


def find_ovmf() -> FirmwareFiles:
    """The host's build of OVMF without Secure Boot. Raises `HostFault` when there is none."""
    for code, variables in _OVMF_BUILDS:
        if Path(code).is_file() and Path(variables).is_file():
            return FirmwareFiles(Path(code), Path(variables))
    raise HostFault("this host has no UEFI firmware for QEMU (on Debian: apt-get install ovmf)")
