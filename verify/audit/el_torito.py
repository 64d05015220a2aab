"""The boot catalogue and the BIOS boot image's boot info table.

Sources: El Torito Bootable CD-ROM Format Specification 1.0, figures 2 to 5; UEFI specification 2.10, 13.3.2;
mkisofs(8), "EL TORITO BOOT INFORMATION TABLE".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from verify.audit.facts import BootInfoTable, ElToritoEntry
from verify.audit.ledger import Ledger
from verify.audit.model import Aspect
from verify.audit.raw import CD_SECTOR_BYTES, DISK_SECTOR_BYTES, VOLUME_DESCRIPTORS_LBA, RawMedium
from verify.machine.firmware import Firmware

BIOS, UEFI = "bios", "uefi"
_PLATFORMS = {0x00: BIOS, 0x01: "powerpc", 0x02: "mac", 0xEF: UEFI}
_BOOT_RECORD = b"\x00CD001\x01EL TORITO SPECIFICATION"
_CATALOGUE_POINTER_AT = 0x47
_ENTRY_BYTES = 32
_BOOTABLE = 0x88
_MORE_HEADERS, _LAST_HEADER = 0x90, 0x91
_EXTENSION = 0x44
# The table begins 8 bytes into the image and the checksum covers what comes after it.
_BOOT_INFO_AT, _BOOT_INFO_END = 8, 64
_LEAST_BIOS_LOAD_SECTORS = 4
_MOST_DESCRIPTORS = 64
_MOST_BOOT_IMAGE_BYTES = 64 << 20
_FIRMWARES = {Firmware.BIOS: BIOS, Firmware.UEFI: UEFI}
_CATALOGUE_ASPECTS = {
    Firmware.BIOS: Aspect.BOOT_CATALOGUE_BIOS,
    Firmware.UEFI: Aspect.BOOT_CATALOGUE_UEFI,
}


def audit_boot_catalogue(raw: RawMedium, ledger: Ledger) -> tuple[ElToritoEntry, ...]:
    """The entries of the catalogue; findings for a firmware that has none that it can use."""
    lba = _catalogue_lba(raw)
    catalogue = b"" if lba is None else raw.cd_sectors(lba)
    problem = _catalogue_problem(lba, catalogue)
    entries = () if problem else tuple(_entries(catalogue))
    for firmware, aspect in _CATALOGUE_ASPECTS.items():
        mine = [entry for entry in entries if entry.platform == _FIRMWARES[firmware]]
        bootable = [entry for entry in mine if entry.bootable]
        only = frozenset({firmware})
        if problem:
            ledger.found(aspect, problem, only)
        elif not bootable:
            shown = ", ".join(entry.platform for entry in entries if entry.bootable) or "none at all"
            marked = ", but one that is marked as not bootable" if mine else ""
            ledger.found(aspect, f"no bootable entry for {firmware.value}{marked}; bootable: {shown}", only)
        else:
            _judge_entry(raw, bootable[0], firmware, aspect, ledger)
    return entries


def bootable_entry(entries: tuple[ElToritoEntry, ...], firmware: Firmware) -> ElToritoEntry | None:
    """The entry that the firmware starts, or None."""
    return next((e for e in entries if e.bootable and e.platform == _FIRMWARES[firmware]), None)


def _catalogue_lba(raw: RawMedium) -> int | None:
    for number in range(1, _MOST_DESCRIPTORS):
        descriptor = raw.cd_sectors(VOLUME_DESCRIPTORS_LBA + number)
        if descriptor.startswith(_BOOT_RECORD) and len(descriptor) == CD_SECTOR_BYTES:
            return int.from_bytes(descriptor[_CATALOGUE_POINTER_AT : _CATALOGUE_POINTER_AT + 4], "little")
        if len(descriptor) < CD_SECTOR_BYTES or descriptor[0] == 0xFF:
            break
    return None


def _catalogue_problem(lba: int | None, catalogue: bytes) -> str:
    if lba is None:
        return "no El Torito boot record: no bootable entry at all"
    if len(catalogue) < CD_SECTOR_BYTES:
        return f"the boot catalogue at sector {lba} lies beyond the end of the medium"
    if catalogue[0] != 1 or catalogue[0x1E:0x20] != b"\x55\xaa":
        return f"the boot catalogue at sector {lba} has no validation entry"
    if sum(struct.unpack("<16H", catalogue[:_ENTRY_BYTES])) & 0xFFFF:
        return "the checksum of the boot catalogue's validation entry is wrong"
    return ""


def _entries(catalogue: bytes) -> Iterator[ElToritoEntry]:
    """The initial entry, then each section's; entries of a kind unknown to the specification are passed over."""
    platform = catalogue[1]
    yield _entry(catalogue[_ENTRY_BYTES : 2 * _ENTRY_BYTES], platform)
    position, left = 2 * _ENTRY_BYTES, 0
    while position + _ENTRY_BYTES <= len(catalogue):
        entry = catalogue[position : position + _ENTRY_BYTES]
        position += _ENTRY_BYTES
        if entry[0] == _EXTENSION:
            continue
        if left:
            left -= 1
            yield _entry(entry, platform)
        elif entry[0] in (_MORE_HEADERS, _LAST_HEADER):
            platform, left = entry[1], int.from_bytes(entry[2:4], "little")
        else:
            return


def _entry(data: bytes, platform: int) -> ElToritoEntry:
    indicator, emulation, segment, _, sectors, lba = struct.unpack("<BBHHHI", data[:12])
    name = _PLATFORMS.get(platform, f"0x{platform:02x}")
    return ElToritoEntry(name, indicator == _BOOTABLE, emulation & 0x0F, segment, sectors, lba)


def _judge_entry(raw: RawMedium, entry: ElToritoEntry, firmware: Firmware, aspect: Aspect, ledger: Ledger) -> None:
    only = frozenset({firmware})
    if entry.emulation:
        ledger.found(aspect, f"the {firmware.value} entry asks for emulation of a floppy or hard disk", only)
    first = raw.cd_sectors(entry.lba)
    if not first:
        ledger.found(aspect, f"the {firmware.value} boot image, sector {entry.lba}, lies beyond the medium's end", only)
    elif not first.strip(b"\0"):
        ledger.found(
            aspect, f"the {firmware.value} boot image at sector {entry.lba} begins with nothing but zeros", only
        )
    if entry.load_sectors == 0 or (firmware is Firmware.BIOS and entry.load_sectors < _LEAST_BIOS_LOAD_SECTORS):
        text = f"the {firmware.value} entry loads {entry.load_sectors} sectors of {DISK_SECTOR_BYTES} bytes, too few"
        # UEFI firmware takes a load size of 0 or 1 for "to the end of the medium" (UEFI specification, 13.3.2.1).
        if firmware is Firmware.BIOS:
            ledger.found(aspect, text, only)
    ledger.saw(aspect, f"sector {entry.lba}, {entry.load_sectors} sectors of {DISK_SECTOR_BYTES} bytes to load")


def audit_boot_info_table(raw: RawMedium, entries: tuple[ElToritoEntry, ...], ledger: Ledger) -> BootInfoTable | None:
    """The table in the BIOS boot image, which GRUB's image needs to find the rest of itself.

    Without it, GRUB's loader (grub-core/boot/i386/pc/cdboot.S) reads from sector 0 of the medium.
    """
    aspect, only = Aspect.EL_TORITO_BIOS, frozenset({Firmware.BIOS})
    entry = bootable_entry(entries, Firmware.BIOS)
    if entry is None:
        ledger.cannot_judge(aspect, "the boot catalogue has no entry for BIOS", Aspect.BOOT_CATALOGUE_BIOS)
        return None
    first = raw.cd_sectors(entry.lba)
    if len(first) < _BOOT_INFO_END:
        ledger.cannot_judge(aspect, "the BIOS boot image lies beyond the medium's end", Aspect.BOOT_CATALOGUE_BIOS)
        return None
    table = BootInfoTable(*struct.unpack("<4I", first[_BOOT_INFO_AT : _BOOT_INFO_AT + 16]))
    if table.volume_descriptor_lba != VOLUME_DESCRIPTORS_LBA or table.file_lba != entry.lba:
        seen = f"volume descriptor at sector {table.volume_descriptor_lba}, image at sector {table.file_lba}"
        expected = f"{VOLUME_DESCRIPTORS_LBA} and {entry.lba}"
        ledger.found(aspect, f"the boot info table of the BIOS boot image says {seen}; they are at {expected}", only)
        return table
    if not _BOOT_INFO_END < table.file_bytes <= min(_MOST_BOOT_IMAGE_BYTES, raw.size - entry.lba * CD_SECTOR_BYTES):
        ledger.found(aspect, f"the boot info table says that the BIOS boot image has {table.file_bytes} bytes", only)
        return table
    image = raw.read(entry.lba * CD_SECTOR_BYTES, table.file_bytes)
    if (checksum := _checksum(image)) != table.checksum:
        text = f"the BIOS boot image is damaged: its checksum is {checksum:08x}, its boot info table says "
        ledger.found(aspect, f"{text}{table.checksum:08x}", only)
    ledger.saw(aspect, f"{table.file_bytes} bytes at sector {table.file_lba}, checksum {table.checksum:08x}")
    return table


def _checksum(image: bytes) -> int:
    words = image[_BOOT_INFO_END:]
    words += b"\0" * (-len(words) % 4)
    total: int = sum(word for (word,) in struct.iter_unpack("<I", words))
    return total & 0xFFFFFFFF
