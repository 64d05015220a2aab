"""The operating system: packages, host name, files, users, services, modules, scripts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from enum import Enum
from typing import Annotated

from pydantic import Field

from mic.config.disk_sections import BootType, PartitionSettingSection, VeritySection
from mic.config.fields import (
    Flag,
    KernelExtraArguments,
    ListOf,
    NonEmptyText,
    Text,
    Word,
    absent_if_empty,
    choice,
    matching,
    refuse,
)
from mic.config.file_sections import AdditionalFiles, problems_of_destinations
from mic.config.section import Section, given_twice
from mic.config.user_section import UserSection
from mic.errors import UserError

_LONGEST_HOST_NAME = 255
_LABEL = re.compile("[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class SELinuxMode(Enum):
    """What SELinux is told on the kernel command line."""

    DISABLED = "disabled"
    PERMISSIVE = "permissive"
    ENFORCING = "enforcing"


def _host_name(name: str) -> str:
    if len(name) > _LONGEST_HOST_NAME:
        refuse(f"must be at most {_LONGEST_HOST_NAME} characters")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        refuse("must be a name, not an IP address")
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        refuse(
            "is not a valid host name",
            "labels of 1 to 63 letters, digits and hyphens, no hyphen first or last, with dots between them",
        )
    return name


class KernelCommandLineSection(Section):
    """Arguments of the kernel. A text alone is its `ExtraCommandLine`.

    The value is what the running kernel shall show in `/proc/cmdline`; quoting for GRUB is mic's work, so
    `ds=nocloud;s=file://x` arrives whole. Quotes that are there for GRUB (`'ds=nocloud;s=...'`) are understood and not
    doubled. Unbalanced quotes, an empty argument, `$`, a backquote, a line break and control characters are errors.
    """

    shorthand = "ExtraCommandLine"
    home = "in KernelCommandLine"

    extra_command_line: KernelExtraArguments = Field(
        "",
        alias="ExtraCommandLine",
        description="Arguments to append after the stock ones. Words are split at spaces; `'...'` and `\"...\"` keep "
        "one together.",
        examples=["console=ttyS1 systemd.unit=multi-user.target"],
    )
    selinux: Annotated[SELinuxMode, choice(of=SELinuxMode)] | None = Field(
        None,
        alias="SELinux",
        description="Mode of SELinux. Refused in `Iso`: a live system runs with SELinux off unless the image can do "
        "it.",
        examples=["permissive"],
    )


class ScriptSection(Section):
    """A script to run in the image's own root, in which the directory of the configuration is at `/_imageconfigs`,
    to read only. The environment is clean; what a script that fails has printed is shown.
    """

    required = ("Path",)

    script: NonEmptyText | None = Field(
        None,
        alias="Path",
        description="An executable file in the directory of the configuration, or below.",
        examples=["scripts/finish.sh"],
    )
    arguments: Text = Field("", alias="Args", description="Its arguments, as one text.", examples=["--level 3"])


class ServiceSection(Section):
    """A systemd unit. A text alone is its `Name`."""

    required = ("Name",)
    shorthand = "Name"

    name: Annotated[Word, matching(r"[^\s/]+", "is not a valid name of a unit: no spaces, no '/'")] | None = Field(
        None, alias="Name", description="Name of the unit; `.service` may be left out.", examples=["ssh"]
    )


class ModuleSection(Section):
    """A kernel module. A text alone is its `Name`."""

    required = ("Name",)
    shorthand = "Name"

    name: Annotated[Word, matching(r"[^\s/]+", "is not a valid name of a module: no spaces, no '/'")] | None = Field(
        None, alias="Name", description="Name of the module, without `.ko`.", examples=["nbd"]
    )

    @property
    def kernel_name(self) -> str | None:
        """The name as the kernel has it: hyphens and underscores are one (modprobe(8))."""
        return self.name and self.name.replace("-", "_")


class ServicesSection(Section):
    """systemd units to enable and to disable. The same unit in both is an error."""

    enable: ListOf[ServiceSection] = Field(
        (),
        alias="Enable",
        description="Units to enable, by `systemctl enable`.",
        examples=[["ssh", {"Name": "fstrim.timer"}]],
    )
    disable: ListOf[ServiceSection] = Field(
        (), alias="Disable", description="Units to disable, by `systemctl disable`.", examples=[["apt-daily.timer"]]
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        enabled = {service.name for service in self.enable if service.name}
        for service in self.disable:
            if service.name in enabled:
                yield service.problem("is in Enable too", at="Name")


class ModulesSection(Section):
    """Kernel modules to load at boot and to keep from loading. The same module in both is an error."""

    load: ListOf[ModuleSection] = Field(
        (), alias="Load", description="Modules to load at boot, by `/etc/modules-load.d`.", examples=[[{"Name": "nbd"}]]
    )
    disable: ListOf[ModuleSection] = Field(
        (),
        alias="Disable",
        description="Modules to keep from loading by themselves: a `blacklist` entry in `/etc/modprobe.d`.",
        examples=[["floppy"]],
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        loaded = {module.kernel_name for module in self.load if module.kernel_name}
        for module in self.disable:
            if module.kernel_name in loaded:
                yield module.problem("is in Load too", at="Name")


class PackageListSection(Section):
    """A file with names of packages, read by the same rules as the configuration."""

    required = ("Packages",)

    packages: ListOf[Word] = Field(
        (), alias="Packages", description="Names of packages: not empty, no leading `-`.", examples=[["vim", "jq"]]
    )


class SystemConfigSection(Section):
    """The operating system of the image. Its changes are made in this order: packages (remove, update all, install,
    update), host name, files, users, services, modules, the release file (`/etc/mariner-customizer-release`, with
    `TOOL_VERSION` and `BUILD_DATE`), `PostInstallScripts`, kernel command line, SELinux, `FinalizeImageScripts`.
    """

    home = "in SystemConfig"

    boot_type: Annotated[BootType, choice(of=BootType)] | None = Field(
        None,
        alias="BootType",
        description="Firmware that a re-partitioned disk boots by; only with `Disks`. Refused for an ISO, which boots "
        "under both.",
        examples=["efi"],
    )
    hostname: Annotated[Text, absent_if_empty(_host_name)] = Field(
        "",
        alias="Hostname",
        description="A DNS name of at most 255 characters: labels of 1 to 63 letters, digits and hyphens, no "
        "underscore, not an IP address. Written to `/etc/hostname`, and the old name is replaced in `/etc/hosts`.",
        examples=["live-7.example.org"],
    )
    update_base_image_packages: Flag = Field(
        False,
        alias="UpdateBaseImagePackages",
        description="Whether to update all packages of the image, after those to remove and before those to install.",
        examples=[True],
    )
    packages_install: ListOf[Word] = Field(
        (),
        alias="PackagesInstall",
        description="Packages to install, in one transaction. Names are not empty and have no leading `-`.",
        examples=[["vim", "jq"]],
    )
    packages_remove: ListOf[Word] = Field(
        (),
        alias="PackagesRemove",
        description="Packages to remove, in one transaction and before all else is done to packages. Names as above.",
        examples=[["nano"]],
    )
    packages_update: ListOf[Word] = Field(
        (),
        alias="PackagesUpdate",
        description="Packages to update, in one transaction, last. Names as above.",
        examples=[["openssl"]],
    )
    package_lists_install: ListOf[NonEmptyText] = Field(
        (),
        alias="PackageListsInstall",
        description="Files with packages to install, before those of `PackagesInstall` in the same transaction. What "
        "such a file holds: [PackageList](#packagelist).",
        examples=[["packages/tools.yaml"]],
    )
    package_lists_remove: ListOf[NonEmptyText] = Field(
        (),
        alias="PackageListsRemove",
        description="Files with packages to remove, with those of `PackagesRemove`.",
        examples=[["packages/unwanted.yaml"]],
    )
    package_lists_update: ListOf[NonEmptyText] = Field(
        (),
        alias="PackageListsUpdate",
        description="Files with packages to update, with those of `PackagesUpdate`.",
        examples=[["packages/fresh.yaml"]],
    )
    kernel_command_line: KernelCommandLineSection | None = Field(
        None,
        alias="KernelCommandLine",
        description="Arguments of the kernel. On an ISO they carry over, before those of `Iso.KernelCommandLine`.",
        examples=[{"ExtraCommandLine": "quiet"}],
    )
    additional_files: AdditionalFiles = Field(
        {},
        alias="AdditionalFiles",
        description="Files to copy into the rootfs, by source file; after the host name and before users.",
        examples=[{"motd.txt": {"Path": "/etc/motd", "Permissions": "0644"}}],
    )
    partition_settings: ListOf[PartitionSettingSection] = Field(
        (),
        alias="PartitionSettings",
        description="Where the partitions of `Disks` are mounted; needs `Disks` and `BootType`. Refused for an ISO, "
        "whose live system mounts no partitions.",
        examples=[[{"ID": "root", "MountPoint": "/"}]],
    )
    post_install_scripts: ListOf[ScriptSection] = Field(
        (),
        alias="PostInstallScripts",
        description="Scripts to run after the changes above, one after the other.",
        examples=[[{"Path": "scripts/finish.sh"}]],
    )
    finalize_image_scripts: ListOf[ScriptSection] = Field(
        (),
        alias="FinalizeImageScripts",
        description="Scripts to run last of all.",
        examples=[[{"Path": "scripts/seal.sh", "Args": "--quiet"}]],
    )
    users: ListOf[UserSection] = Field(
        (),
        alias="Users",
        description="Users to make or to change.",
        examples=[[{"Name": "test", "Password": "testpassword", "PrimaryGroup": "sudo"}]],
    )
    services: ServicesSection | None = Field(
        None, alias="Services", description="systemd units to enable and to disable.", examples=[{"Enable": ["ssh"]}]
    )
    modules: ModulesSection | None = Field(
        None,
        alias="Modules",
        description="Kernel modules to load and to keep from loading.",
        examples=[{"Load": ["nbd"]}],
    )
    verity: VeritySection | None = Field(
        None,
        alias="Verity",
        description="dm-verity of a disk output. Refused for an ISO, whose root is a squashfs under an overlay.",
        examples=[
            {
                "DataPartition": {"IdType": "PartLabel", "Id": "root"},
                "HashPartition": {"IdType": "PartLabel", "Id": "root-hash"},
            }
        ],
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        yield from given_twice(self.users, "Name", lambda user: user.name)
        yield from given_twice(self.partition_settings, "ID", lambda setting: setting.id)
        yield from given_twice(self.partition_settings, "MountPoint", lambda setting: setting.mount_point)
        yield from problems_of_destinations(self.additional_files)
