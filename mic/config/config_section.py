"""The configuration as a whole, as its file has it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from mic.config.disk_sections import BootType, DiskSection, PartitionFlag
from mic.config.fields import ListOf
from mic.config.file_sections import AdditionalFiles, problems_of_destinations
from mic.config.section import Section
from mic.config.system_sections import KernelCommandLineSection, SystemConfigSection
from mic.errors import UserError

_FLAG_FOR = {BootType.EFI: PartitionFlag.ESP, BootType.LEGACY: PartitionFlag.BIOS_GRUB}


class IsoSection(Section):
    """The ISO medium, and the kernel that is started from it."""

    home = "in Iso"

    kernel_command_line: KernelCommandLineSection | None = Field(
        None,
        alias="KernelCommandLine",
        description="Arguments of the live system's kernel, after the stock ones and after those of "
        "`SystemConfig.KernelCommandLine`, so that these win where the last one does.",
        examples=["ds=nocloud;s=file:///run/initramfs/live/cloud-init-data/"],
    )
    additional_files: AdditionalFiles = Field(
        {},
        alias="AdditionalFiles",
        description="Files to copy onto the medium, by source file. Destinations are paths in the ISO's file "
        "system; one that collides with a file of mic's own there (kernel, initrd, grub.cfg, squashfs, boot images) is "
        "an error.",
        examples=[{"cloud-init-data/user-data": "/cloud-init-data/user-data"}],
    )
    system_config: SystemConfigSection | None = Field(
        None,
        alias="SystemConfig",
        description="The same as `SystemConfig` at the top level, which may also stand here. Both at once is an error.",
        examples=[{"Hostname": "live"}],
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        if self.kernel_command_line is not None and self.kernel_command_line.is_written("SELinux"):
            yield self.kernel_command_line.problem(
                "is not for an ISO: a live system runs with SELinux off", at="SELinux", hint="leave it out"
            )
        yield from problems_of_destinations(self.additional_files)


class ConfigSection(Section):
    """The whole configuration. A key that is left out changes nothing.

    `Disks` and `SystemConfig.BootType` go together, and `PartitionSettings` needs both. `efi` needs a partition
    flagged `esp`, `legacy` one flagged `bios_grub`. The `ID` of every partition setting has to be a partition's.
    """

    home = "at the top level"

    disks: ListOf[DiskSection] = Field(
        (),
        alias="Disks",
        description="The disk to re-partition to; without it the partitions stay. A list of exactly one. For disk "
        "outputs: refused for an ISO, on which the layout of the medium is always the same.",
        examples=[
            [
                {
                    "PartitionTableType": "gpt",
                    "MaxSize": 4096,
                    "Partitions": [
                        {"ID": "esp", "FsType": "fat32", "Start": 1, "End": 9, "Flags": ["esp", "boot"]},
                        {"ID": "root", "FsType": "ext4", "Start": 9},
                    ],
                }
            ]
        ],
    )
    iso: IsoSection | None = Field(
        None, alias="Iso", description="The ISO medium.", examples=[{"KernelCommandLine": "quiet"}]
    )
    system_config: SystemConfigSection | None = Field(
        None, alias="SystemConfig", description="The operating system.", examples=[{"Hostname": "live"}]
    )

    @property
    def system(self) -> SystemConfigSection | None:
        """SystemConfig, from either of the places where it may stand."""
        nested = self.iso.system_config if self.iso is not None else None
        return self.system_config if self.system_config is not None else nested

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        if self.iso is not None and self.iso.is_written("SystemConfig") and self.is_written("SystemConfig"):
            yield self.iso.problem(
                "cannot be given together with the SystemConfig at the top level",
                at="SystemConfig",
                hint="put everything into one of them",
            )
        yield from self._problems_of_disks()

    def _problems_of_disks(self) -> Iterator[UserError]:
        count = self.count_of("Disks")
        if count is not None and count != 1:
            amount = "is an empty list" if count == 0 else f"has {count} disks"
            yield self.problem(f"{amount}: one disk is all there can be", at="Disks", hint="leave Disks out to keep")
        system = self.system
        has_disks = self.is_written("Disks")
        has_boot_type = system is not None and system.is_written("BootType")
        if has_disks and count != 0 and not has_boot_type and self._is_system_known:
            yield self.problem("needs SystemConfig.BootType too", at="Disks", hint="efi or legacy")
        if system is None:
            return
        if has_boot_type and not has_disks:
            yield system.problem("is only for use with Disks", at="BootType")
        if system.is_written("PartitionSettings") and not (has_disks and has_boot_type):
            yield system.problem("needs Disks and BootType too", at="PartitionSettings")
        if len(self.disks) == 1 and count == 1:
            yield from self._problems_of_partitions(self.disks[0], system)

    @property
    def _is_system_known(self) -> bool:
        """Whether no SystemConfig had to be dropped for not being a map at all."""
        dropped = self.is_written("SystemConfig") and self.system_config is None
        nested_dropped = self.is_written("Iso") and (
            self.iso is None or (self.iso.is_written("SystemConfig") and self.iso.system_config is None)
        )
        return not (dropped or nested_dropped)

    @staticmethod
    def _problems_of_partitions(disk: DiskSection, system: SystemConfigSection) -> Iterator[UserError]:
        partitions = disk.partitions
        flags_known = disk.is_whole("Partitions")
        if system.boot_type is not None and flags_known:
            flag = _FLAG_FOR[system.boot_type]
            if not any(flag in partition.flags for partition in partitions):
                message = f"{system.boot_type.value} needs a partition flagged {flag.value}"
                yield system.problem(message, at="BootType")
        if flags_known:
            ids = {partition.id for partition in partitions}
            if None in ids:
                return
            for setting in system.partition_settings:
                if setting.id and setting.id not in ids:
                    yield setting.problem(f"no partition of Disks has the ID {setting.id}", at="ID")
