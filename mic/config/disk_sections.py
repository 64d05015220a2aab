"""Disks, partitions, their settings and dm-verity: all that concerns disk outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from mic.config.fields import Line, ListOf, Text, absent_if_empty, choice, matching, refuse, whole_number
from mic.config.section import Section, given_twice
from mic.errors import UserError

_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class BootType(Enum):
    """The firmware that a re-partitioned disk boots by."""

    EFI = "efi"
    LEGACY = "legacy"


class PartitionTableType(Enum):
    """Kinds of partition table."""

    GPT = "gpt"


class FsType(Enum):
    """File systems that partitions can be made with."""

    EXT4 = "ext4"
    FAT32 = "fat32"
    XFS = "xfs"


class PartitionFlag(Enum):
    """What a partition is for."""

    ESP = "esp"
    BIOS_GRUB = "bios_grub"
    BOOT = "boot"


class MountIdentifier(Enum):
    """By what /etc/fstab names a partition."""

    UUID = "uuid"
    PARTUUID = "partuuid"
    PARTLABEL = "partlabel"


class IdType(Enum):
    """By what the kernel finds a partition of dm-verity."""

    PART_LABEL = "PartLabel"
    UUID = "Uuid"
    PART_UUID = "PartUuid"


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        refuse("must be an absolute path")
    return path


class PartitionSection(Section):
    """One partition of the disk. Places and sizes are in MiB. Partitions may not overlap."""

    required = ("ID", "FsType", "Start")

    id: Line | None = Field(
        None,
        alias="ID",
        description="Names the partition within this file. The same ID twice is an error.",
        examples=["esp"],
    )
    fs_type: Annotated[FsType, choice(of=FsType)] | None = Field(
        None, alias="FsType", description="The file system; `fat32` on a partition flagged `esp`.", examples=["fat32"]
    )
    name: Annotated[Text, matching("[ -~]{0,35}", "must be at most 35 ASCII characters")] | None = Field(
        None,
        alias="Name",
        description="The partition's label in the partition table: at most 35 ASCII characters.",
        examples=["EFI"],
    )
    start: Annotated[int, Field(ge=1), whole_number(1, unit="of MiB")] | None = Field(
        None,
        alias="Start",
        description="Where it begins, from the start of the disk; 1 on a partition flagged `bios_grub`.",
        examples=[1],
    )
    end: Annotated[int, Field(ge=0), whole_number(0, unit="of MiB")] | None = Field(
        None,
        alias="End",
        description="Where it ends; more than `Start`, and not together with `Size`. Only the last partition on the "
        "disk may leave both out: it takes what is left.",
        examples=[9],
    )
    size: Annotated[int, Field(ge=1), whole_number(1, unit="of MiB")] | None = Field(
        None, alias="Size", description="How large it is; not together with `End`.", examples=[8]
    )
    flags: ListOf[Annotated[PartitionFlag, choice(of=PartitionFlag)]] = Field(
        (),
        alias="Flags",
        description="What it is for: `esp` and `boot`, each only beside the other, the EFI system partition; "
        "`bios_grub` GRUB's own for BIOS.",
        examples=[["esp", "boot"]],
    )

    @property
    def end_or_none(self) -> int | None:
        """Where the partition ends, in MiB; None where it takes what is left."""
        if self.size is not None and self.start is not None:
            return self.start + self.size
        return self.end

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        if self.is_written("End") and self.is_written("Size"):
            yield self.problem("cannot be given together with End", at="Size", hint="leave one of them out")
        elif self.end is not None and self.start is not None and self.end <= self.start:
            yield self.problem(f"must be more than Start, which is {self.start}", at="End")
        if self.is_whole("Flags"):
            yield from self._problems_of_flags()

    def _problems_of_flags(self) -> Iterator[UserError]:
        if PartitionFlag.ESP in self.flags:
            if self.fs_type not in (None, FsType.FAT32):
                yield self.problem("must be fat32 on a partition flagged esp", at="FsType")
            if PartitionFlag.BOOT not in self.flags:
                yield self.problem("esp needs boot beside it", at="Flags")
        elif PartitionFlag.BOOT in self.flags:
            yield self.problem("boot needs esp beside it", at="Flags")
        if PartitionFlag.BIOS_GRUB in self.flags and self.start not in (None, 1):
            yield self.problem("must be 1 on a partition flagged bios_grub", at="Start")


class DiskSection(Section):
    """The disk that the image becomes, for disk outputs."""

    required = ("PartitionTableType", "MaxSize")
    home = "in the item of Disks"

    partition_table_type: Annotated[PartitionTableType, choice(of=PartitionTableType)] | None = Field(
        None, alias="PartitionTableType", description="Kind of partition table.", examples=["gpt"]
    )
    max_size: Annotated[int, Field(ge=1), whole_number(1, unit="of MiB")] | None = Field(
        None,
        alias="MaxSize",
        description="Size of the disk in MiB; the partitions have to fit into it.",
        examples=[4096],
    )
    partitions: ListOf[PartitionSection] = Field(
        (),
        alias="Partitions",
        description="The partitions.",
        examples=[[{"ID": "root", "FsType": "ext4", "Start": 2}]],
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        yield from given_twice(self.partitions, "ID", lambda partition: partition.id)
        placed = sorted(
            (partition for partition in self.partitions if partition.start is not None),
            key=lambda partition: partition.start or 0,
        )
        for partition, following in pairwise(placed):
            yield from self._problems_of_neighbours(partition, following)
        for partition in placed:
            yield from self._problems_of_fit(partition)

    @staticmethod
    def _problems_of_neighbours(partition: PartitionSection, following: PartitionSection) -> Iterator[UserError]:
        assert following.start is not None
        if partition.end_or_none is None:
            if not (partition.is_written("End") or partition.is_written("Size")):
                message = "needs End or Size: only the last partition on the disk may leave both out"
                yield partition.problem(message)
        elif partition.end_or_none > following.start:
            name = f" {partition.id}" if partition.id else ""
            message = f"is before the end of the partition{name}, {partition.end_or_none} MiB: they overlap"
            yield following.problem(message, at="Start")

    def _problems_of_fit(self, partition: PartitionSection) -> Iterator[UserError]:
        if self.max_size is None or partition.start is None:
            return
        end = partition.end_or_none
        if end is not None and end > self.max_size:
            key = "Size" if partition.size is not None else "End"
            yield partition.problem(f"ends at {end} MiB, beyond MaxSize, {self.max_size} MiB", at=key)
        elif partition.start >= self.max_size:
            yield partition.problem(f"begins at or beyond MaxSize, {self.max_size} MiB", at="Start")


class PartitionSettingSection(Section):
    """Where and how a partition of `Disks` is mounted, for disk outputs."""

    required = ("ID",)

    id: Line | None = Field(
        None,
        alias="ID",
        description="The `ID` of a partition of `Disks`. The same ID in two settings is an error.",
        examples=["root"],
    )
    mount_identifier: Annotated[MountIdentifier, choice(of=MountIdentifier)] = Field(
        MountIdentifier.PARTUUID,
        alias="MountIdentifier",
        description="By what `/etc/fstab` names the partition.",
        examples=["uuid"],
    )
    mount_options: Annotated[Text, matching(r"[^\s]*", "must be options with commas and no spaces")] = Field(
        "",
        alias="MountOptions",
        description="Options as mount(8) takes them, with commas and no spaces.",
        examples=["ro,noatime"],
    )
    mount_point: Annotated[Text, absent_if_empty(_absolute)] = Field(
        "",
        alias="MountPoint",
        description="Absolute path; the partition is not mounted if absent. The same path in two settings is an error.",
        examples=["/"],
    )


class VerityPartitionSection(Section):
    """How the kernel finds a partition."""

    required = ("IdType", "Id")

    id_type: Annotated[IdType, choice(of=IdType)] | None = Field(
        None,
        alias="IdType",
        description="What `Id` is: a partition's label, a file system's UUID or a partition's UUID.",
        examples=["PartLabel"],
    )
    id: Line | None = Field(
        None, alias="Id", description="The label or UUID. Any well-formed UUID will do.", examples=["root"]
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        if self.id_type in (IdType.UUID, IdType.PART_UUID) and self.id and not _UUID.fullmatch(self.id):
            example = "123e4567-e89b-4d3a-a456-426614174000"
            yield self.problem("must be a UUID", at="Id", hint=f"as in {example}")


class VeritySection(Section):
    """The partitions of dm-verity, for disk outputs."""

    required = ("DataPartition", "HashPartition")

    data_partition: VerityPartitionSection | None = Field(
        None,
        alias="DataPartition",
        description="The partition that is protected.",
        examples=[{"IdType": "PartLabel", "Id": "root"}],
    )
    hash_partition: VerityPartitionSection | None = Field(
        None,
        alias="HashPartition",
        description="The partition with the hashes.",
        examples=[{"IdType": "PartUuid", "Id": "123e4567-e89b-4d3a-a456-426614174000"}],
    )
