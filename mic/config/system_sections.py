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
    """Arguments of the kernel."""

    shorthand = "ExtraCommandLine"

    extra_command_line: KernelExtraArguments = Field(
        "", alias="ExtraCommandLine", description="What /proc/cmdline shall show after the tool's own arguments."
    )
    selinux: Annotated[SELinuxMode, choice(of=SELinuxMode)] | None = Field(
        None, alias="SELinux", description="Mode of SELinux; refused for an ISO."
    )


class ScriptSection(Section):
    """A script to run in the image."""

    required = ("Path",)

    script: NonEmptyText | None = Field(
        None, alias="Path", description="Executable file in the directory of the configuration file, or below."
    )
    arguments: Text = Field("", alias="Args", description="Its arguments, as one text.")


class ServiceSection(Section):
    """A systemd unit."""

    required = ("Name",)
    shorthand = "Name"

    name: Annotated[Word, matching(r"[^\s/]+", "is not a valid name of a unit: no spaces, no '/'")] | None = Field(
        None, alias="Name", description="Name of the unit; .service may be left out."
    )


class ModuleSection(Section):
    """A kernel module."""

    required = ("Name",)
    shorthand = "Name"

    name: Annotated[Word, matching(r"[^\s/]+", "is not a valid name of a module: no spaces, no '/'")] | None = Field(
        None, alias="Name", description="Name of the module."
    )

    @property
    def kernel_name(self) -> str | None:
        """The name as the kernel has it: hyphens and underscores are one (modprobe(8))."""
        return self.name and self.name.replace("-", "_")


class ServicesSection(Section):
    """Units to enable and to disable."""

    enable: ListOf[ServiceSection] = Field((), alias="Enable", description="Units that start at boot.")
    disable: ListOf[ServiceSection] = Field((), alias="Disable", description="Units that do not start at boot.")

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        enabled = {service.name for service in self.enable if service.name}
        for service in self.disable:
            if service.name in enabled:
                yield service.problem("is in Enable too", at="Name")


class ModulesSection(Section):
    """Kernel modules to load at boot and to keep from loading."""

    load: ListOf[ModuleSection] = Field((), alias="Load", description="Modules to load at boot.")
    disable: ListOf[ModuleSection] = Field((), alias="Disable", description="Modules to keep from loading.")

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        loaded = {module.kernel_name for module in self.load if module.kernel_name}
        for module in self.disable:
            if module.kernel_name in loaded:
                yield module.problem("is in Load too", at="Name")


class PackageListSection(Section):
    """A file with names of packages."""

    required = ("Packages",)

    packages: ListOf[Word] = Field((), alias="Packages", description="Names of packages.")


class SystemConfigSection(Section):
    """The operating system of the image."""

    home = "in SystemConfig"

    boot_type: Annotated[BootType, choice(of=BootType)] | None = Field(
        None, alias="BootType", description="Firmware that a re-partitioned disk boots by; only with Disks."
    )
    hostname: Annotated[Text, absent_if_empty(_host_name)] = Field(
        "", alias="Hostname", description="Host name, as a DNS name."
    )
    update_base_image_packages: Flag = Field(
        False, alias="UpdateBaseImagePackages", description="Update all packages of the image."
    )
    packages_install: ListOf[Word] = Field((), alias="PackagesInstall", description="Packages to install.")
    packages_remove: ListOf[Word] = Field((), alias="PackagesRemove", description="Packages to remove.")
    packages_update: ListOf[Word] = Field((), alias="PackagesUpdate", description="Packages to update.")
    package_lists_install: ListOf[NonEmptyText] = Field(
        (), alias="PackageListsInstall", description="Files with packages to install."
    )
    package_lists_remove: ListOf[NonEmptyText] = Field(
        (), alias="PackageListsRemove", description="Files with packages to remove."
    )
    package_lists_update: ListOf[NonEmptyText] = Field(
        (), alias="PackageListsUpdate", description="Files with packages to update."
    )
    kernel_command_line: KernelCommandLineSection | None = Field(
        None, alias="KernelCommandLine", description="Arguments of the kernel; on an ISO before Iso's own."
    )
    additional_files: AdditionalFiles = Field(
        {}, alias="AdditionalFiles", description="Files to copy into the image, by source file."
    )
    partition_settings: ListOf[PartitionSettingSection] = Field(
        (), alias="PartitionSettings", description="Where the partitions of Disks are mounted."
    )
    post_install_scripts: ListOf[ScriptSection] = Field(
        (), alias="PostInstallScripts", description="Scripts to run after the other changes."
    )
    finalize_image_scripts: ListOf[ScriptSection] = Field(
        (), alias="FinalizeImageScripts", description="Scripts to run last."
    )
    users: ListOf[UserSection] = Field((), alias="Users", description="Users to make or to change.")
    services: ServicesSection | None = Field(None, alias="Services", description="systemd units.")
    modules: ModulesSection | None = Field(None, alias="Modules", description="Kernel modules.")
    verity: VeritySection | None = Field(None, alias="Verity", description="dm-verity of a disk output.")

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        yield from given_twice(self.users, "Name", lambda user: user.name)
        yield from given_twice(self.partition_settings, "ID", lambda setting: setting.id)
        yield from given_twice(self.partition_settings, "MountPoint", lambda setting: setting.mount_point)
        yield from problems_of_destinations(self.additional_files)
