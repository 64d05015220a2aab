"""What leaves the room: the configuration, checked, with every file it names found or read. All frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import SecretStr

from mic.config.disk_sections import (
    BootType,
    FsType,
    IdType,
    MountIdentifier,
    PartitionFlag,
    PartitionTableType,
)
from mic.config.system_sections import SELinuxMode
from mic.config.tree import problem_at
from mic.errors import SourcePosition, UserError
from mic.kernel_arguments import KernelArguments


@dataclass(frozen=True)
class KernelCommandLine:
    """Arguments for the kernel; `selinux` is None where the file says nothing of it."""

    arguments: KernelArguments = field(default_factory=KernelArguments)
    selinux: SELinuxMode | None = None


@dataclass(frozen=True)
class AdditionalFile:
    """A file to copy. `source` is absolute; `destination` is absolute, on the medium or in the rootfs.

    `permissions` are those asked for; `mode` is what the copy gets: those, or the source's own, setuid bit and
    all. `position` is that of the destination in the configuration, `key_path` its name there.
    """

    source: Path
    destination: PurePosixPath
    permissions: int | None
    mode: int
    position: SourcePosition
    key_path: str


@dataclass(frozen=True)
class User:
    """A user to make or change. `password` is plain or, with `password_hashed`, a crypt(5) hash; None: none given.

    `ssh_public_keys` are the lines for authorized_keys, those of SSHPubKeyPaths first. `password_expires_days`
    is -1 where expiry is to be removed.
    """

    name: str
    uid: int | None
    password: SecretStr | None
    password_hashed: bool
    password_expires_days: int | None
    ssh_public_keys: tuple[str, ...] = field(repr=False)
    primary_group: str | None
    secondary_groups: tuple[str, ...]
    startup_command: str | None
    position: SourcePosition
    key_path: str


@dataclass(frozen=True)
class Named:
    """A package, unit or module, and where the configuration (or a package list) names it."""

    name: str
    position: SourcePosition
    key_path: str


@dataclass(frozen=True)
class Packages:
    """What happens to packages, in the order of the fields; those of package lists first."""

    remove: tuple[Named, ...] = ()
    update_base_image: bool = False
    install: tuple[Named, ...] = ()
    update: tuple[Named, ...] = ()

    @property
    def may_bring_more(self) -> bool:
        """Whether units, groups, modules and programs may come that the image does not have yet."""
        return bool(self.install or self.update or self.update_base_image)


@dataclass(frozen=True)
class Services:
    """systemd units to enable and to disable."""

    enable: tuple[Named, ...] = ()
    disable: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Modules:
    """Kernel modules to load at boot, and to keep from loading."""

    load: tuple[Named, ...] = ()
    disable: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Script:
    """A script: `file` is absolute, `path` the same below the directory of the configuration file."""

    file: Path
    path: PurePosixPath
    arguments: str
    position: SourcePosition
    key_path: str


@dataclass(frozen=True)
class Partition:
    """A partition to make; `start_mib` and `end_mib` in MiB, None: all that is left."""

    id: str
    fs_type: FsType
    name: str
    start_mib: int
    end_mib: int | None
    flags: frozenset[PartitionFlag]


@dataclass(frozen=True)
class Disk:
    """The disk to make; `max_size_mib` in MiB."""

    partition_table_type: PartitionTableType
    max_size_mib: int
    partitions: tuple[Partition, ...]


@dataclass(frozen=True)
class PartitionSetting:
    """Where the partition `id` is mounted; None: nowhere."""

    id: str
    mount_identifier: MountIdentifier
    mount_options: str
    mount_point: PurePosixPath | None


@dataclass(frozen=True)
class VerityPartition:
    """How the kernel finds a partition of dm-verity."""

    id_type: IdType
    id: str


@dataclass(frozen=True)
class Verity:
    """The partitions of dm-verity."""

    data_partition: VerityPartition
    hash_partition: VerityPartition


@dataclass(frozen=True)
class Iso:
    """What the medium gets."""

    kernel_command_line: KernelCommandLine = KernelCommandLine()
    additional_files: tuple[AdditionalFile, ...] = ()


@dataclass(frozen=True)
class SystemConfig:
    """What changes in the operating system; the defaults change nothing."""

    boot_type: BootType | None = None
    hostname: str | None = None
    packages: Packages = Packages()
    kernel_command_line: KernelCommandLine = KernelCommandLine()
    additional_files: tuple[AdditionalFile, ...] = ()
    partition_settings: tuple[PartitionSetting, ...] = ()
    post_install_scripts: tuple[Script, ...] = ()
    finalize_image_scripts: tuple[Script, ...] = ()
    users: tuple[User, ...] = ()
    services: Services = Services()
    modules: Modules = Modules()
    verity: Verity | None = None


@dataclass(frozen=True)
class Config:
    """A whole configuration. `file` is as it was named, `directory` the absolute one that paths are relative to."""

    file: Path
    directory: Path
    disks: tuple[Disk, ...]
    iso: Iso
    system_config: SystemConfig
    places: Mapping[str, SourcePosition] = field(repr=False, compare=False)

    @property
    def kernel_arguments(self) -> KernelArguments:
        """All arguments asked for, in the order that /proc/cmdline shows them: the system's, then the medium's."""
        system = self.system_config.kernel_command_line.arguments
        return system + self.iso.kernel_command_line.arguments

    def written_path(self, key_path: str) -> str | None:
        """The key path as the file has it, or None where it is not in the file.

        SystemConfig may stand below Iso: ``SystemConfig.Hostname`` is then ``Iso.SystemConfig.Hostname``.
        """
        for path in (key_path, f"Iso.{key_path}"):
            if path in self.places:
                return path
        return None

    def position_of(self, key_path: str) -> SourcePosition:
        """Where the value of ``SystemConfig.Users[0].PrimaryGroup`` or the like stands in the file.

        Where that key is not in the file, the place of the nearest section around it; the file's start at last.
        """
        while key_path:
            if (path := self.written_path(key_path)) is not None:
                return self.places[path]
            key_path = key_path[: max(key_path.rfind("."), key_path.rfind("["), 0)]
        return self.places.get("", SourcePosition(self.file, 1, 1))

    def problem(self, key_path: str, message: str, hint: str | None = None) -> UserError:
        """An error of a later room's about the value of a key, in the form that this room's errors have."""
        return problem_at(self.position_of(key_path), self.written_path(key_path) or key_path, message, hint)
