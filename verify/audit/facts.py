"""The facts of a medium, each as it lies there. None or empty: the medium has no such thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from verify.machine.spec import Attachment


class PackageDatabase(Enum):
    """Whose database tells of the rootfs's packages."""

    DPKG = "dpkg"
    RPM = "rpm"


@dataclass(frozen=True)
class BootInfoTable:
    """What the BIOS boot image knows of its medium (mkisofs(8), "EL TORITO BOOT INFO TABLE")."""

    volume_descriptor_lba: int
    file_lba: int
    file_bytes: int
    checksum: int


@dataclass(frozen=True)
class ElToritoEntry:
    """An entry of the boot catalogue. `lba` counts 2048-byte sectors, `load_sectors` 512-byte ones."""

    platform: str
    bootable: bool
    emulation: int
    load_segment: int
    load_sectors: int
    lba: int


@dataclass(frozen=True)
class PartitionEntry:
    """A partition; `kind` is the MBR's type as 0xNN or the GPT's type GUID; start and size in 512-byte sectors."""

    table: str
    number: int
    kind: str
    start: int
    sectors: int
    name: str = ""


@dataclass(frozen=True)
class EfiFile:
    """A file of the EFI image; `machine` for programs: the processor that the PE header names."""

    path: str
    size: int
    sha256: str
    machine: str | None = None


@dataclass(frozen=True)
class GrubCfgFacts:
    """A grub.cfg on the medium; `place` says where, `searched` which volume labels it looks for."""

    place: str
    searched: tuple[str, ...]
    linux: tuple[str, ...]


@dataclass(frozen=True)
class BootFacts:
    """What firmware and boot loader see."""

    el_torito: tuple[ElToritoEntry, ...] = ()
    boot_info_table: BootInfoTable | None = None
    mbr_boot_code: bool = False
    partitions: tuple[PartitionEntry, ...] = ()
    efi_files: tuple[EfiFile, ...] = ()
    grub_cfgs: tuple[GrubCfgFacts, ...] = ()
    checksum: str | None = None


@dataclass(frozen=True)
class KernelFacts:
    """The kernel that grub.cfg loads; `version` as uname -r says it, from the boot protocol's header."""

    path: str
    size: int
    version: str | None = None


@dataclass(frozen=True)
class InitrdFacts:
    """The initrd: its archives in order ("cpio", "zstd"...), dracut's modules, kernel versions, module names."""

    path: str
    size: int
    archives: tuple[str, ...] = ()
    dracut: str | None = None
    dracut_modules: tuple[str, ...] = ()
    kernel_versions: tuple[str, ...] = ()
    kernel_modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnreachableMachine:
    """A kind of machine on which the medium is not found, because the kernel was made without these drivers.

    `attachment` is that of the harness's machine of this kind; None where it has none.
    """

    name: str
    attachment: Attachment | None
    drivers: tuple[str, ...]

    def __str__(self) -> str:
        return f"the kernel was made without {', '.join(self.drivers)}: no boot from {self.name}"


@dataclass(frozen=True)
class SquashfsFacts:
    """The rootfs; `size` in bytes as its superblock says it, `file_bytes` with what pads the file."""

    path: str
    size: int
    compression: str
    entries: int
    file_bytes: int


@dataclass(frozen=True)
class AccountFacts:
    """A line of passwd; `password` is locked, empty, set, or unknown where shadow has no line."""

    name: str
    uid: int
    shell: str
    password: str


@dataclass(frozen=True)
class AccessFacts:
    """What decides by which means a shell can be had in the booted system (`verify.access`).

    `systemd` is its version, None where none was found; `names_terminal`: its debug shell can be given a terminal;
    the last two tell whether /etc/passwd and /etc/shadow end in a newline, as they should.
    """

    systemd: int | None
    names_terminal: bool
    has_sudo: bool
    passwd_ends_line: bool
    shadow_ends_line: bool


@dataclass(frozen=True)
class CloudInitFile:
    """A file of cloud-init's seed; `place` as the booted machine sees it; `kind` its header or format."""

    name: str
    place: str
    size: int
    kind: str


@dataclass(frozen=True)
class LiveSystemFacts:
    """What the kernel and the booted system see."""

    kernel: KernelFacts | None = None
    kernel_arguments: tuple[str, ...] = ()
    initrds: tuple[InitrdFacts, ...] = ()
    squashfs: SquashfsFacts | None = None
    operating_system: str | None = None
    kernel_versions_in_rootfs: tuple[str, ...] = ()
    unreachable: tuple[UnreachableMachine, ...] = ()
    accounts: tuple[AccountFacts, ...] = ()
    access: AccessFacts | None = None
    fstab: str | None = None
    machine_id: str | None = None
    ssh_host_keys: tuple[str, ...] = ()
    package_database: PackageDatabase | None = None
    cloud_init: str | None = None
    cloud_init_files: tuple[CloudInitFile, ...] = ()
