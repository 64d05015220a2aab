"""A configuration with every key of the contract, to be broken in one place or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Route = tuple[str | int, ...]

EVERYTHING = """\
Disks:
- PartitionTableType: gpt
  MaxSize: 100
  Partitions:
  - {ID: esp, FsType: fat32, Start: 1, End: 9, Flags: [esp, boot], Name: EFI}
  - {ID: root, FsType: ext4, Start: 9, Size: 11}
Iso:
  KernelCommandLine: {ExtraCommandLine: 'ds=nocloud;s=file://x'}
  AdditionalFiles: {a.txt: [/a, {Path: /b, Permissions: 0644}], b.txt: /c}
SystemConfig: &system
  BootType: efi
  Hostname: host
  UpdateBaseImagePackages: yes
  PackagesInstall: [a]
  PackagesRemove: [b]
  PackagesUpdate: [c]
  PackageListsInstall: [list.yaml]
  PackageListsRemove: [list.yaml]
  PackageListsUpdate: [list.yaml]
  KernelCommandLine: {ExtraCommandLine: quiet, SELinux: enforcing}
  AdditionalFiles: {a.txt: {Path: /a}}
  PartitionSettings: [{ID: esp, MountPoint: /boot/efi, MountIdentifier: uuid, MountOptions: ro}, {ID: root}]
  PostInstallScripts: [{Path: a.sh, Args: -x}]
  FinalizeImageScripts: [{Path: a.sh}]
  Users:
  - {Name: a, UID: 0x10, Password: hunter2canary, PasswordHashed: no, PasswordExpiresDays: -1, SSHPubKeys: [k],
     SSHPubKeyPaths: [a.txt], PrimaryGroup: g, SecondaryGroups: [h, i], StartupCommand: /bin/sh}
  - {Name: b, PasswordPath: b.txt}
  Services: {Enable: [a, {Name: b}], Disable: [c]}
  Modules: {Load: [{Name: a}], Disable: [b]}
  Verity:
    DataPartition: {IdType: PartLabel, Id: a}
    HashPartition: {IdType: Uuid, Id: 123e4567-e89b-12d3-a456-426614174000}
"""


def write_files(directory: Path) -> None:
    """Makes the files that EVERYTHING names, but for a.txt and b.txt, which every test has."""
    (directory / "list.yaml").write_text("Packages: [p]")
    (directory / "a.sh").touch(mode=0o755)


def routes(value: object, before: Route = ()) -> list[Route]:
    """The way to everything below `value`."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [before, *(route for key, child in children for route in routes(child, (*before, key)))][not before :]


def change(container: Any, route: Route, value: object) -> None:
    """Puts `value` at the end of `route`."""
    for key in route[:-1]:
        container = container[key]
    container[route[-1]] = value
