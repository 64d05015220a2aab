"""MBR and GPT: what makes the medium boot from a USB stick.

Sources: UEFI specification 2.10, chapter 5 (GPT, protective MBR); the sector size is 512, as on a USB stick.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from verify.audit.el_torito import bootable_entry
from verify.audit.facts import ElToritoEntry, PartitionEntry
from verify.audit.ledger import Ledger
from verify.audit.model import Aspect
from verify.audit.raw import CD_SECTOR_BYTES, DISK_SECTOR_BYTES, RawMedium
from verify.machine.firmware import Firmware

ESP_GUID = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
_ESP_MBR_TYPE, _PROTECTIVE = 0xEF, 0xEE
_BOOT_CODE_BYTES = 440
_GPT_MAGIC = b"EFI PART"
_MOST_ENTRIES = 1024
_ASPECT = Aspect.PARTITION_TABLE


@dataclass(frozen=True)
class PartitionTables:
    """Both tables; `boot_code`: the MBR holds a program."""

    boot_code: bool
    partitions: tuple[PartitionEntry, ...]


@dataclass(frozen=True)
class _GptHeader:
    size: int
    crc: int
    my_lba: int
    other_lba: int
    first_usable: int
    last_usable: int
    disk: bytes
    entries_lba: int
    count: int
    entry_bytes: int
    entries_crc: int


def audit_partition_tables(raw: RawMedium, el_torito: tuple[ElToritoEntry, ...], ledger: Ledger) -> PartitionTables:
    """Both partition tables; findings for damage, and where the EFI image is in no partition that firmware reads."""
    mbr = raw.read(0, DISK_SECTOR_BYTES)
    boot_code = bool(mbr[:_BOOT_CODE_BYTES].strip(b"\0"))
    if mbr[510:512] != b"\x55\xaa":
        ledger.found(_ASPECT, "there is no MBR: the medium does not boot from a USB stick")
        return PartitionTables(False, ())
    if not boot_code:
        ledger.found(_ASPECT, "the MBR has no boot code: the medium does not boot from a USB stick under BIOS")
    in_mbr = tuple(_mbr_partitions(mbr))
    for partition in in_mbr:
        if (partition.start + partition.sectors) * DISK_SECTOR_BYTES > raw.size:
            ledger.found(_ASPECT, f"partition {partition.number} of the MBR reaches beyond the end of the medium")
    in_gpt = _audit_gpt(raw, in_mbr, ledger)
    partitions = (*in_mbr, *in_gpt)
    _judge_esp(partitions, el_torito, ledger)
    shown = ", ".join(f"{p.table} {p.number} {p.name or p.kind}" for p in partitions)
    ledger.saw(_ASPECT, f"boot code, {shown}")
    return PartitionTables(boot_code, partitions)


def _mbr_partitions(mbr: bytes) -> Iterator[PartitionEntry]:
    for number in range(4):
        entry = mbr[446 + 16 * number : 462 + 16 * number]
        kind, start, sectors = entry[4], *struct.unpack("<II", entry[8:16])
        if kind:
            yield PartitionEntry("mbr", number + 1, f"0x{kind:02x}", start, sectors)


def _audit_gpt(raw: RawMedium, in_mbr: tuple[PartitionEntry, ...], ledger: Ledger) -> tuple[PartitionEntry, ...]:
    protective = any(p.kind == f"0x{_PROTECTIVE:02x}" for p in in_mbr)
    head = raw.read(DISK_SECTOR_BYTES, DISK_SECTOR_BYTES)
    if not head.startswith(_GPT_MAGIC):
        if protective:
            ledger.found(_ASPECT, "the MBR speaks of a GPT, but there is none")
        return ()
    header = _header(head)
    problem = _header_problem(raw, header, head, 1)
    if problem:
        ledger.found(_ASPECT, f"the GPT is damaged: {problem}")
        return ()
    _judge_backup(raw, header, ledger)
    partitions = tuple(_gpt_partitions(raw, header))
    for partition in partitions:
        if partition.start + partition.sectors - 1 > header.last_usable:
            ledger.found(_ASPECT, f"partition {partition.number} of the GPT reaches beyond the space it may use")
    return partitions


def _header(data: bytes) -> _GptHeader:
    fields = struct.unpack("<8s4sIIIQQQQ16sQIII", data[:92])
    _, _, size, crc, _, mine, other, first, last, disk, entries, count, entry_bytes, entries_crc = fields
    return _GptHeader(size, crc, mine, other, first, last, disk, entries, count, entry_bytes, entries_crc)


def _header_problem(raw: RawMedium, header: _GptHeader, data: bytes, lba: int) -> str:
    if not 92 <= header.size <= DISK_SECTOR_BYTES:
        return f"its header is {header.size} bytes long"
    if zlib.crc32(data[:16] + b"\0\0\0\0" + data[20 : header.size]) != header.crc:
        return "the checksum of its header is wrong"
    if header.my_lba != lba:
        return f"its header at sector {lba} says that it lies at {header.my_lba}"
    if header.entry_bytes < 128 or header.count > _MOST_ENTRIES or header.entry_bytes > DISK_SECTOR_BYTES * 8:
        return f"it has {header.count} entries of {header.entry_bytes} bytes"
    if zlib.crc32(_entry_array(raw, header)) != header.entries_crc:
        return "the checksum of its entries is wrong"
    return ""


def _entry_array(raw: RawMedium, header: _GptHeader) -> bytes:
    return raw.read(header.entries_lba * DISK_SECTOR_BYTES, header.count * header.entry_bytes)


def _judge_backup(raw: RawMedium, header: _GptHeader, ledger: Ledger) -> None:
    last = raw.size // DISK_SECTOR_BYTES - 1
    if header.other_lba != last:
        ledger.found(_ASPECT, f"the GPT's backup should be in the last sector, {last}, not in {header.other_lba}")
    data = raw.read(header.other_lba * DISK_SECTOR_BYTES, DISK_SECTOR_BYTES)
    if len(data) < DISK_SECTOR_BYTES or not data.startswith(_GPT_MAGIC):
        ledger.found(_ASPECT, f"the GPT has no backup at sector {header.other_lba}")
        return
    backup = _header(data)
    if problem := _header_problem(raw, backup, data, header.other_lba):
        ledger.found(_ASPECT, f"the GPT's backup is damaged: {problem}")
    elif (backup.disk, backup.entries_crc) != (header.disk, header.entries_crc):
        ledger.found(_ASPECT, "the GPT's backup is not the same as the GPT")


def _gpt_partitions(raw: RawMedium, header: _GptHeader) -> Iterator[PartitionEntry]:
    array = _entry_array(raw, header)
    for number in range(header.count):
        entry = array[number * header.entry_bytes : (number + 1) * header.entry_bytes]
        if len(entry) < 128 or not entry[:16].strip(b"\0"):
            continue
        start, last = struct.unpack("<QQ", entry[32:48])
        name = entry[56:128].decode("utf-16-le", errors="replace").rstrip("\0")
        kind = str(uuid.UUID(bytes_le=entry[:16]))
        yield PartitionEntry("gpt", number + 1, kind, start, last - start + 1, name)


def _judge_esp(partitions: tuple[PartitionEntry, ...], el_torito: tuple[ElToritoEntry, ...], ledger: Ledger) -> None:
    esps = [p for p in partitions if p.kind in (ESP_GUID, f"0x{_ESP_MBR_TYPE:02x}")]
    if not esps:
        ledger.found(_ASPECT, "no partition is an EFI system partition: no boot from a USB stick under UEFI")
        return
    entry = bootable_entry(el_torito, Firmware.UEFI)
    if entry is None:
        return
    start = entry.lba * CD_SECTOR_BYTES // DISK_SECTOR_BYTES
    end = start + max(entry.load_sectors, 1)
    for esp in esps:
        # A CD's sectors are four of a disk's; the image may end within the last of them.
        if esp.start == start and esp.start + esp.sectors >= end:
            return
    where = ", ".join(f"{p.table} {p.number}: {p.start} to {p.start + p.sectors - 1}" for p in esps)
    text = f"the EFI system partition ({where}) does not cover the EFI image of the boot catalogue"
    ledger.found(_ASPECT, f"{text} ({start} to {end - 1}, in sectors of {DISK_SECTOR_BYTES} bytes)")
