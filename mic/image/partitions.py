"""The partitions of a disk, from its partition table, and what each one holds."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mic.errors import UserError
from mic.image.disk import Disk
from mic.programs import ProgramFailed, require, run

ESP_TYPES = ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EF")
LINUX_FILE_SYSTEMS = ("ext4", "ext3", "ext2", "xfs", "btrfs")
# Signatures that explain why there is no file system to read, and what to say of them.
UNREADABLE_SIGNATURES = {
    "LVM2_member": "an LVM physical volume",
    "crypto_LUKS": "a LUKS-encrypted volume",
    "linux_raid_member": "a member of a RAID",
}

_PROTECTIVE_TYPE = "ee"
_GPT_BACKUP_LBA = slice(32, 40)


@dataclass(frozen=True)
class Partition:
    """One partition; `start` and `size` in bytes, `file_system` as blkid(8) names it (None: unknown)."""

    number: int
    start: int
    size: int
    type: str
    file_system: str | None
    label: str | None = None
    uuid: str | None = None
    partition_uuid: str | None = None
    partition_label: str | None = None

    @property
    def is_esp(self) -> bool:
        return self.type.upper() in ESP_TYPES

    @property
    def is_linux(self) -> bool:
        return self.file_system in LINUX_FILE_SYSTEMS

    def __str__(self) -> str:
        return f"partition {self.number} ({self.file_system or 'no file system'}, {self.size >> 20} MiB)"


def read_partitions(disk: Disk) -> tuple[Partition, ...]:
    """All partitions in the table's order.

    Raises `UserError` when there is no table, or when it reaches beyond the end of the file.
    """
    require("sfdisk", "blkid")
    try:
        listing = run("sfdisk", "--json", disk.flat)
    except ProgramFailed as error:
        raise UserError(
            "the image has no partition table that can be read",
            where=disk.image,
            hint="is it a full disk image? sfdisk --list shows what the system sees",
        ) from error
    table = json.loads(listing.stdout)["partitiontable"]
    sector = int(table.get("sectorsize", 512))
    if table.get("label") == "dos" and any(p["type"] == _PROTECTIVE_TYPE for p in table.get("partitions", [])):
        raise _unusable_gpt(disk, sector)
    partitions = []
    for number, entry in enumerate(table.get("partitions", []), start=1):
        start, size = int(entry["start"]) * sector, int(entry["size"]) * sector
        if start + size > disk.size:
            raise UserError(
                f"the image is truncated: partition {number} ends at byte {start + size},"
                f" the image at byte {disk.size}",
                where=disk.image,
            )
        partitions.append(_probe(disk, number, start, size, entry))
    if not partitions:
        raise UserError("the image's partition table is empty", where=disk.image)
    return tuple(partitions)


def _unusable_gpt(disk: Disk, sector: int) -> UserError:
    """Why sfdisk saw only the protective MBR: libfdisk takes no GPT that reaches beyond the disk's end."""
    with disk.flat.open("rb") as file:
        file.seek(sector)
        header = file.read(_GPT_BACKUP_LBA.stop)
    # UEFI specification, 5.3.2: the address of the backup header is the last sector of the disk.
    end = (int.from_bytes(header[_GPT_BACKUP_LBA], "little") + 1) * sector
    if header.startswith(b"EFI PART") and end > disk.size:
        message = f"the image is truncated: its partition table is for {end} bytes, the image has {disk.size}"
        return UserError(message, where=disk.image, hint="copy or download it again")
    return UserError("the image's GPT is damaged", where=disk.image, hint="sgdisk --verify shows how")


def _probe(disk: Disk, number: int, start: int, size: int, entry: dict[str, str]) -> Partition:
    # Exit code 2 of blkid(8): nothing recognised there.
    command = (
        "blkid",
        "--probe",
        "--offset",
        str(start),
        "--size",
        str(size),
        "--output",
        "export",
        disk.flat,
    )
    lines = run(*command, check=False).text.splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return Partition(
        number=number,
        start=start,
        size=size,
        type=str(entry.get("type", "")),
        file_system=found.get("TYPE"),
        label=found.get("LABEL"),
        uuid=found.get("UUID"),
        partition_uuid=entry.get("uuid"),
        partition_label=entry.get("name"),
    )
