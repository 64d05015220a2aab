"""No key is read and dropped: each one, set to two values, gives two configurations.

The table has a row for every key of the models; a new key without one fails the first test.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest
import yaml

from mic.config import PartitionTableType
from mic.config.section import Section
from mic.errors import SourcePosition

from .conftest import Complaints, Read
from .everything import EVERYTHING, routes

ABSENT = "~"
GRUB = "{ID: grub, FsType: ext4, Start: 1, Size: 1, Flags: [bios_grub]}"
ESP = "{ID: esp, FsType: fat32, Start: 2, Size: 1, Flags: [esp, boot]}"
DISK = f"PartitionTableType: gpt, MaxSize: 9, Partitions: [{GRUB}, {ESP}]"
LEGACY = "SystemConfig: {BootType: legacy}"
LABEL = "{IdType: PartLabel, Id: a}"
UUID = "123e4567-e89b-12d3-a456-426614174000"
UUID_OF = f"{{IdType: Uuid, Id: {UUID}}}"
HASH = "$6$saltsalt$" + "a" * 86


@dataclass(frozen=True)
class Example:
    """A configuration with `*` where the value of the key stands, a value, and another or none."""

    text: str
    value: str
    other: str = ABSENT

    @property
    def texts(self) -> tuple[str, str]:
        return self.text.replace("*", self.value), self.text.replace("*", self.other)


def system(text: str, value: str, other: str = ABSENT) -> Example:
    return Example(f"SystemConfig: {{{text}}}", value, other)


def user(fields: str, value: str, other: str = ABSENT) -> Example:
    return system(f"Users: [{{Name: a, {fields}}}]", value, other)


def disk(fields: str, value: str, other: str = ABSENT) -> Example:
    return Example(f"Disks: [{{{fields}}}]\n{LEGACY}", value, other)


def partition(fields: str, value: str, other: str = ABSENT) -> Example:
    return disk(f"PartitionTableType: gpt, MaxSize: 99, Partitions: [{GRUB}, {{{fields}}}]", value, other)


def setting(fields: str, value: str, other: str = ABSENT) -> Example:
    settings = f"SystemConfig: {{BootType: legacy, PartitionSettings: [{{{fields}}}]}}"
    return Example(f"Disks: [{{{DISK}}}]\n{settings}", value, other)


EXAMPLES = {
    "Config.Disks": Example(f"Disks: *\n{LEGACY}", f"[{{{DISK}}}]", f"[{{{DISK.replace('9', '10')}}}]"),
    "Config.Iso": Example("Iso: *", "{KernelCommandLine: a}"),
    "Config.SystemConfig": Example("SystemConfig: *", "{Hostname: a}"),
    "Iso.KernelCommandLine": Example("Iso: {KernelCommandLine: *}", "a"),
    "Iso.AdditionalFiles": Example("Iso: {AdditionalFiles: *}", "{a.txt: /a}"),
    "Iso.SystemConfig": Example("Iso: {SystemConfig: *}", "{Hostname: a}"),
    "KernelCommandLine.ExtraCommandLine": Example("Iso: {KernelCommandLine: {ExtraCommandLine: *}}", "a"),
    "KernelCommandLine.SELinux": system("KernelCommandLine: {SELinux: *}", "permissive"),
    "FileConfig.Path": Example("Iso: {AdditionalFiles: {a.txt: {Path: *}}}", "/a", "/b"),
    "FileConfig.Permissions": Example("Iso: {AdditionalFiles: {a.txt: {Path: /a, Permissions: *}}}", "0700"),
    "SystemConfig.BootType": Example(f"Disks: [{{{DISK}}}]\nSystemConfig: {{BootType: *}}", "legacy", "efi"),
    "SystemConfig.Hostname": system("Hostname: *", "a"),
    "SystemConfig.UpdateBaseImagePackages": system("UpdateBaseImagePackages: *", "yes"),
    "SystemConfig.PackagesInstall": system("PackagesInstall: *", "[a]"),
    "SystemConfig.PackagesRemove": system("PackagesRemove: *", "[a]"),
    "SystemConfig.PackagesUpdate": system("PackagesUpdate: *", "[a]"),
    "SystemConfig.PackageListsInstall": system("PackageListsInstall: *", "[list.yaml]"),
    "SystemConfig.PackageListsRemove": system("PackageListsRemove: *", "[list.yaml]"),
    "SystemConfig.PackageListsUpdate": system("PackageListsUpdate: *", "[list.yaml]"),
    "SystemConfig.KernelCommandLine": system("KernelCommandLine: *", "a"),
    "SystemConfig.AdditionalFiles": system("AdditionalFiles: *", "{a.txt: /a}"),
    "SystemConfig.PartitionSettings": Example(
        f"Disks: [{{{DISK}}}]\nSystemConfig: {{BootType: legacy, PartitionSettings: *}}", "[{ID: esp}]"
    ),
    "SystemConfig.PostInstallScripts": system("PostInstallScripts: *", "[{Path: a.sh}]"),
    "SystemConfig.FinalizeImageScripts": system("FinalizeImageScripts: *", "[{Path: a.sh}]"),
    "SystemConfig.Users": system("Users: *", "[{Name: a}]"),
    "SystemConfig.Services": system("Services: *", "{Enable: [a]}"),
    "SystemConfig.Modules": system("Modules: *", "{Load: [a]}"),
    "SystemConfig.Verity": system("Verity: *", f"{{DataPartition: {LABEL}, HashPartition: {LABEL}}}"),
    "Script.Path": system("PostInstallScripts: [{Path: *}]", "a.sh", "b.sh"),
    "Script.Args": system("PostInstallScripts: [{Path: a.sh, Args: *}]", "-x"),
    "Services.Enable": system("Services: {Enable: *}", "[a]"),
    "Services.Disable": system("Services: {Disable: *}", "[a]"),
    "Service.Name": system("Services: {Enable: [{Name: *}]}", "a", "b"),
    "Modules.Load": system("Modules: {Load: *}", "[a]"),
    "Modules.Disable": system("Modules: {Disable: *}", "[a]"),
    "Module.Name": system("Modules: {Load: [{Name: *}]}", "a", "b"),
    "User.Name": system("Users: [{Name: *}]", "a", "b"),
    "User.UID": user("UID: *", "7"),
    "User.Password": user("Password: *", "a"),
    "User.PasswordPath": user("PasswordPath: *", "a.txt"),
    "User.PasswordHashed": user(f"PasswordHashed: *, Password: {HASH}", "yes"),
    "User.PasswordExpiresDays": user("PasswordExpiresDays: *", "0"),
    "User.SSHPubKeyPaths": user("SSHPubKeyPaths: *", "[a.txt]"),
    "User.SSHPubKeys": user("SSHPubKeys: *", "[k]"),
    "User.PrimaryGroup": user("PrimaryGroup: *", "g"),
    "User.SecondaryGroups": user("SecondaryGroups: *", "[g]"),
    "User.StartupCommand": user("StartupCommand: *", "/bin/sh"),
    "Verity.DataPartition": system(f"Verity: {{DataPartition: *, HashPartition: {LABEL}}}", LABEL, UUID_OF),
    "Verity.HashPartition": system(f"Verity: {{HashPartition: *, DataPartition: {LABEL}}}", LABEL, UUID_OF),
    "VerityPartition.IdType": system(
        f"Verity: {{HashPartition: {LABEL}, DataPartition: {{IdType: *, Id: {UUID}}}}}", "Uuid", "PartUuid"
    ),
    "VerityPartition.Id": system(
        f"Verity: {{HashPartition: {LABEL}, DataPartition: {{IdType: PartLabel, Id: *}}}}", "a", "b"
    ),
    "Disk.MaxSize": disk(DISK.replace("9", "*"), "9", "10"),
    "Disk.Partitions": disk("PartitionTableType: gpt, MaxSize: 9, Partitions: *", f"[{GRUB}]", f"[{GRUB}, {ESP}]"),
    "Partition.ID": partition("ID: *, FsType: ext4, Start: 2", "a", "b"),
    "Partition.FsType": partition("ID: a, FsType: *, Start: 2", "ext4", "xfs"),
    "Partition.Name": partition("ID: a, FsType: ext4, Start: 2, Name: *", "n"),
    "Partition.Start": partition("ID: a, FsType: ext4, Start: *", "2", "3"),
    "Partition.End": partition("ID: a, FsType: ext4, Start: 2, End: *", "4"),
    "Partition.Size": partition("ID: a, FsType: ext4, Start: 2, Size: *", "2"),
    "Partition.Flags": partition("ID: a, FsType: fat32, Start: 2, Flags: *", "[esp, boot]"),
    "PartitionSetting.ID": setting("ID: *", "esp", "grub"),
    "PartitionSetting.MountIdentifier": setting("ID: esp, MountIdentifier: *", "uuid"),
    "PartitionSetting.MountOptions": setting("ID: esp, MountOptions: *", "ro"),
    "PartitionSetting.MountPoint": setting("ID: esp, MountPoint: *", "/"),
}


def keys_of_the_models() -> set[str]:
    return {
        f"{section.__name__.removesuffix('Section')}.{key}"
        for section in Section.__subclasses__()
        if section.__module__.startswith("mic.config.")
        for key in section.known_keys()
    }


@pytest.fixture(autouse=True)
def files(everything: Path) -> None:
    """All files that the examples name."""
    (everything.parent / "b.sh").touch(mode=0o755)


# A package list is another file, and a partition table has one value; both have tests of their own below.
ELSEWHERE = {"PackageList.Packages", "Disk.PartitionTableType"}


def test_every_key_has_an_example() -> None:
    assert keys_of_the_models() == EXAMPLES.keys() | ELSEWHERE


def test_configuration_that_other_tests_break_has_every_key() -> None:
    known = {key.partition(".")[2] for key in keys_of_the_models()} - {"Packages"}
    assert known - {step for route in routes(yaml.safe_load(EVERYTHING)) for step in route} == set()


def content(value: object) -> object:
    """The value without the places in the file that it comes from."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Enum | SourcePosition):
        fields = [
            field.name for field in dataclasses.fields(value) if field.name not in ("position", "key_path", "places")
        ]
        return {name: content(getattr(value, name)) for name in fields}
    return [content(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize("key", EXAMPLES)
def test_what_a_key_says_is_in_the_configuration(read: Read, key: str) -> None:
    one, other = EXAMPLES[key].texts
    assert content(read(one)) != content(read(other))


BELOW_ISO = [key for key, example in EXAMPLES.items() if example.text.startswith("SystemConfig: {")]


@pytest.mark.parametrize("key", BELOW_ISO)
def test_system_config_below_iso_says_the_same(read: Read, key: str) -> None:
    above = EXAMPLES[key].texts[0]
    assert content(read(f"Iso: {{{above}}}")) == content(read(above))


def test_packages_of_a_list_are_in_the_configuration(read: Read, directory: Path) -> None:
    text = EXAMPLES["SystemConfig.PackageListsInstall"].texts[0]
    before = content(read(text))
    (directory / "list.yaml").write_text("Packages: [q]")
    assert content(read(text)) != before


def test_partition_table_type_is_in_the_configuration_and_required(read: Read, complaints: Complaints) -> None:
    text = f"Disks: [{{{DISK}}}]\n{LEGACY}"
    assert read(text).disks[0].partition_table_type is PartitionTableType.GPT
    (complaint,) = complaints(text.replace("PartitionTableType: gpt, ", ""))
    assert "PartitionTableType: is required" in complaint
