"""Promises about the keys that concern disk outputs."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from mic.config import BootType, FsType, IdType, MountIdentifier, PartitionFlag, PartitionTableType

from .conftest import Complaints, Read

DISK = """\
Disks:
- PartitionTableType: gpt
  MaxSize: 100
  Partitions:
  - {ID: esp, FsType: fat32, Start: 1, End: 9, Flags: [esp, boot], Name: EFI}
  - {ID: root, FsType: ext4, Start: 9, Size: 11}
  - {ID: data, FsType: xfs, Start: 20}
SystemConfig:
  BootType: efi
  PartitionSettings:
  - {ID: esp, MountPoint: /boot/efi, MountIdentifier: uuid, MountOptions: umask=0077}
  - {ID: root, MountPoint: /}
  - {ID: data}
  Verity:
    DataPartition: {IdType: PartLabel, Id: data}
    HashPartition: {IdType: Uuid, Id: 123E4567-E89B-12D3-0456-426614174000}
"""


def test_disk_with_all_that_belongs_to_it_is_read(read: Read) -> None:
    config = read(DISK)
    (disk,) = config.disks
    assert (disk.partition_table_type, disk.max_size_mib) == (PartitionTableType.GPT, 100)
    assert [(p.id, p.fs_type, p.start_mib, p.end_mib) for p in disk.partitions] == [
        ("esp", FsType.FAT32, 1, 9),
        ("root", FsType.EXT4, 9, 20),
        ("data", FsType.XFS, 20, None),
    ]
    assert disk.partitions[0].flags == {PartitionFlag.ESP, PartitionFlag.BOOT}
    assert (disk.partitions[0].name, disk.partitions[1].name) == ("EFI", "")
    system = config.system_config
    assert system.boot_type is BootType.EFI
    esp, root, data = system.partition_settings
    assert (esp.mount_identifier, esp.mount_options) == (MountIdentifier.UUID, "umask=0077")
    assert (root.mount_identifier, root.mount_point, data.mount_point) == (
        MountIdentifier.PARTUUID,
        PurePosixPath("/"),
        None,
    )
    assert system.verity is not None
    assert (system.verity.data_partition.id_type, system.verity.data_partition.id) == (IdType.PART_LABEL, "data")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("MaxSize: 100", "MaxSize: x", "3:12: Disks[0].MaxSize: must be a whole number of MiB, not text"),
        (
            "IdType: PartLabel, Id: data",
            "IdType: PartLabel",
            "15:20: SystemConfig.Verity.DataPartition.Id: is required",
        ),
        ("Start: 9, Size: 11", "Start: 9, Size: 12", "7:36: Disks[0].Partitions[2].Start: is before the end of"),
        ("Start: 9, Size: 11", "Start: 9", "6:5: Disks[0].Partitions[1]: needs End or Size"),
        ("Start: 9, Size: 11", "Start: 9, Size: 0", "6:46: Disks[0].Partitions[1].Size: must be a whole number"),
        ("Start: 20", "Start: 100", "7:36: Disks[0].Partitions[2].Start: begins at or beyond MaxSize, 100 MiB"),
        ("Start: 20", "Start: 20, Size: 81", "7:46: Disks[0].Partitions[2].Size: ends at 101 MiB, beyond MaxSize"),
        ("ID: data, FsType", "FsType", "7:5: Disks[0].Partitions[2].ID: is required, but missing"),
        ("Name: EFI", f"Name: {'x' * 36}", "5:74: Disks[0].Partitions[0].Name: must be at most 35 ASCII characters"),
        ("Name: EFI", "Name: é", "5:74: Disks[0].Partitions[0].Name: must be at most 35 ASCII characters"),
        ("FsType: fat32", "FsType: ext4", "5:23: Disks[0].Partitions[0].FsType: must be fat32 on a partition flagged"),
        ("FsType: xfs", "FsType: xsf", "7:24: Disks[0].Partitions[2].FsType: must be one of ext4, fat32, xfs"),
        ("IdType: Uuid, Id: 1", "IdType: Uuid, Id: g", "16:39: SystemConfig.Verity.HashPartition.Id: must be a UUID"),
        ("  - {ID: data}", "  - {ID: date}", "13:10: SystemConfig.PartitionSettings[2].ID: no partition of Disks"),
        ("MountPoint: /}", "MountPoint: /boot/efi}", "12:28: SystemConfig.PartitionSettings[1].MountPoint: /boot/efi"),
        ("MountIdentifier: uuid", "MountIdentifier: u", "11:55: SystemConfig.PartitionSettings[0].MountIdentifier: "),
    ],
)
def test_disk_that_cannot_be_is_refused_for_that_reason_alone(
    complaints: Complaints, right: str, wrong: str, complaint: str
) -> None:
    assert right in DISK
    (found,) = complaints(DISK.replace(right, wrong))
    assert found.startswith(complaint)


def test_wrong_partition_hides_no_error_of_another_and_makes_none_up(complaints: Complaints) -> None:
    text = DISK.replace("Flags: [esp, boot]", "Flags: [espp, boot]").replace("Start: 20", "Start: 19")
    assert [complaint.partition(" ")[0] for complaint in complaints(text)] == ["5:56:", "7:36:"]


def test_boot_type_and_partition_settings_need_disks(complaints: Complaints) -> None:
    text = DISK[DISK.index("SystemConfig") :]
    assert [complaint.partition(": ")[2] for complaint in complaints(text)] == [
        "SystemConfig.BootType: is only for use with Disks",
        "SystemConfig.PartitionSettings: needs Disks and BootType too",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Disks: [{%s}]\n", ["Disks: needs SystemConfig.BootType too"]),
        ("Disks: [{%s}]\nSystemConfig: {PartitionSettings: [{ID: a}]}\n",
         ["Disks: needs SystemConfig.BootType too", "SystemConfig.PartitionSettings: needs Disks and BootType too"]),
        ("Disks: [{%s}]\nSystemConfig: {BootType: efi}\n",
         ["SystemConfig.BootType: efi needs a partition flagged esp"]),
        ("Disks: [{%s}]\nSystemConfig: {BootType: efi, PartitionSettings: [{ID: b}]}\n",
         ["SystemConfig.BootType: efi needs a partition flagged esp",
          "SystemConfig.PartitionSettings[0].ID: no partition of Disks has the ID b"]),
        ("Disks: [{%s}]\nIso: {SystemConfig: {BootType: efi}}\n",
         ["Iso.SystemConfig.BootType: efi needs a partition flagged esp"]),
        ("Disks:\n- {%s}\n- {%s}\nSystemConfig: {BootType: legacy}\n",
         ["Disks: has 2 disks: one disk is all there can be"]),
        ("Disks: []\nSystemConfig: {BootType: legacy}\n", ["Disks: is an empty list: one disk is all there can be"]),
    ],
)  # fmt: skip
def test_rules_between_disks_and_the_system_are_told_together(
    complaints: Complaints, text: str, told: list[str]
) -> None:
    disk = "PartitionTableType: gpt, MaxSize: 9, Partitions: [{ID: a, FsType: ext4, Start: 1, Flags: [bios_grub]}]"
    assert [complaint.partition(": ")[2].split(" (")[0] for complaint in complaints(text.replace("%s", disk))] == told


def test_disk_may_go_with_the_system_below_iso(read: Read) -> None:
    disk = "PartitionTableType: gpt, MaxSize: 9, Partitions: [{ID: a, FsType: ext4, Start: 1, Flags: [bios_grub]}]"
    config = read(f"Disks: [{{{disk}}}]\nIso: {{SystemConfig: {{BootType: legacy, PartitionSettings: [{{ID: a}}]}}}}")
    assert config.system_config.boot_type is BootType.LEGACY


def test_partitions_are_told_apart_by_their_place_on_the_disk_not_in_the_list(read: Read) -> None:
    partitions = "[{ID: b, FsType: xfs, Start: 5}, {ID: a, FsType: ext4, Start: 1, End: 5, Flags: [bios_grub]}]"
    fields = f"PartitionTableType: gpt, MaxSize: 9, Partitions: {partitions}"
    (disk,) = read(f"Disks: [{{{fields}}}]\nSystemConfig: {{BootType: legacy}}").disks
    assert [(partition.id, partition.end_mib) for partition in disk.partitions] == [("b", None), ("a", 5)]


def test_limits_of_a_disk_are_inside(read: Read) -> None:
    text = DISK.replace("Name: EFI", f"Name: {'~' * 35}").replace("Start: 20", "Start: 20, End: 100")
    (disk,) = read(text).disks
    assert (disk.partitions[0].name, disk.partitions[2].end_mib) == ("~" * 35, 100)
