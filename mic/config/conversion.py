"""The models, once nothing is wrong with them, become the frozen values that leave the room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar

from mic.config.config_section import ConfigSection, IsoSection
from mic.config.configuration import (
    AdditionalFile,
    Config,
    Disk,
    Iso,
    KernelCommandLine,
    Modules,
    Named,
    Packages,
    Partition,
    PartitionSetting,
    Script,
    Services,
    SystemConfig,
    User,
    Verity,
    VerityPartition,
)
from mic.config.disk_sections import (
    DiskSection,
    PartitionSection,
    PartitionSettingSection,
    VerityPartitionSection,
    VeritySection,
)
from mic.config.file_sections import normal_path
from mic.config.files_on_disk import FilesOnDisk, named
from mic.config.system_sections import (
    KernelCommandLineSection,
    ModuleSection,
    ScriptSection,
    ServiceSection,
    SystemConfigSection,
)
from mic.config.user_section import UserSection
from mic.errors import SourcePosition
from mic.kernel_arguments import KernelArguments

Value = TypeVar("Value")


def converted(file: Path, section: ConfigSection, files: FilesOnDisk, places: Mapping[str, SourcePosition]) -> Config:
    """The configuration that `section` describes; `files` are those it names, `places` where its values stand.

    Nothing may be wrong with either.
    """
    return Config(
        file=file,
        directory=files.directory,
        disks=tuple(_disk(disk) for disk in section.disks),
        iso=_iso(section.iso, files) if section.iso is not None else Iso(),
        system_config=_system_config(section.system, files) if section.system is not None else SystemConfig(),
        places=places,
    )


def _required(value: Value | None) -> Value:
    """The value of a required key; that it is there has been checked."""
    assert value is not None
    return value


def _iso(section: IsoSection, files: FilesOnDisk) -> Iso:
    return Iso(
        kernel_command_line=_kernel_command_line(section.kernel_command_line),
        additional_files=tuple(_additional_files(section, files)),
    )


def _system_config(section: SystemConfigSection, files: FilesOnDisk) -> SystemConfig:
    services, modules = section.services, section.modules
    return SystemConfig(
        boot_type=section.boot_type,
        hostname=section.hostname or None,
        packages=_packages(section, files),
        kernel_command_line=_kernel_command_line(section.kernel_command_line),
        additional_files=tuple(_additional_files(section, files)),
        partition_settings=tuple(_partition_setting(setting) for setting in section.partition_settings),
        post_install_scripts=tuple(_script(script, files) for script in section.post_install_scripts),
        finalize_image_scripts=tuple(_script(script, files) for script in section.finalize_image_scripts),
        users=tuple(_user(user, files) for user in section.users),
        services=Services() if services is None else Services(_names(services.enable), _names(services.disable)),
        modules=Modules() if modules is None else Modules(_names(modules.load), _names(modules.disable)),
        verity=_verity(section.verity) if section.verity is not None else None,
    )


def _kernel_command_line(section: KernelCommandLineSection | None) -> KernelCommandLine:
    if section is None:
        return KernelCommandLine()
    return KernelCommandLine(KernelArguments.parse(section.extra_command_line), section.selinux)


def _additional_files(section: IsoSection | SystemConfigSection, files: FilesOnDisk) -> Iterator[AdditionalFile]:
    for source, destinations in section.additional_files.items():
        found = files.sources[section.path, source]
        for destination in destinations:
            permissions = destination.permissions
            yield AdditionalFile(
                source=found.path,
                destination=normal_path(_required(destination.path_in_target)),
                permissions=permissions,
                mode=found.mode if permissions is None else permissions,
                position=destination.position_of("Path"),
                key_path=destination.path_of("Path"),
            )


def _user(section: UserSection, files: FilesOnDisk) -> User:
    keys = [key for file in named(section, "SSHPubKeyPaths") for key in files.public_keys[file.key_path]]
    return User(
        name=_required(section.name),
        uid=section.uid,
        password=files.passwords.get(section.path, section.password),
        password_hashed=section.password_hashed,
        password_expires_days=section.password_expires_days,
        ssh_public_keys=(*keys, *section.ssh_pub_keys),
        primary_group=section.primary_group or None,
        secondary_groups=section.secondary_groups,
        startup_command=section.startup_command or None,
        position=section.position,
        key_path=section.path,
    )


def _packages(section: SystemConfigSection, files: FilesOnDisk) -> Packages:
    def of(step: str) -> tuple[Named, ...]:
        lists = named(section, f"PackageLists{step}")
        listed = [package for file in lists for package in files.package_lists[file.key_path]]
        return (*listed, *named(section, f"Packages{step}"))

    return Packages(of("Remove"), section.update_base_image_packages, of("Install"), of("Update"))


def _names(sections: tuple[ServiceSection, ...] | tuple[ModuleSection, ...]) -> tuple[Named, ...]:
    return tuple(
        Named(_required(section.name), section.position_of("Name"), section.path_of("Name")) for section in sections
    )


def _script(section: ScriptSection, files: FilesOnDisk) -> Script:
    file = files.scripts[section.path].path
    # Through the links: what counts is where the script stands in the directory that the sandbox sees.
    path = file.resolve().relative_to(files.directory.resolve())
    return Script(file, PurePosixPath(path), section.arguments, section.position, section.path)


def _disk(section: DiskSection) -> Disk:
    return Disk(
        partition_table_type=_required(section.partition_table_type),
        max_size_mib=_required(section.max_size),
        partitions=tuple(_partition(partition) for partition in section.partitions),
    )


def _partition(section: PartitionSection) -> Partition:
    return Partition(
        id=_required(section.id),
        fs_type=_required(section.fs_type),
        name=section.name or "",
        start_mib=_required(section.start),
        end_mib=section.end_or_none,
        flags=frozenset(section.flags),
    )


def _partition_setting(section: PartitionSettingSection) -> PartitionSetting:
    return PartitionSetting(
        id=_required(section.id),
        mount_identifier=section.mount_identifier,
        mount_options=section.mount_options,
        mount_point=PurePosixPath(section.mount_point) if section.mount_point else None,
    )


def _verity(section: VeritySection) -> Verity:
    return Verity(
        _verity_partition(_required(section.data_partition)), _verity_partition(_required(section.hash_partition))
    )


def _verity_partition(section: VerityPartitionSection) -> VerityPartition:
    return VerityPartition(_required(section.id_type), _required(section.id))
