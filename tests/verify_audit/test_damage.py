"""Bytes that changed on the way are found, wherever they lie; no damage and no foreign file ends in a traceback."""

from __future__ import annotations

import contextlib
import hashlib
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from mic.errors import UserError
from mic.programs import run
from tests.verify.small_medium import SmallMedium
from tests.verify_audit.conftest import Damaged, aspects_found, texts_on
from verify.audit import Aspect, Audit, audit_medium
from verify.audit.el_torito import bootable_entry
from verify.audit.text import as_text
from verify.machine.firmware import Firmware
from verify.medium import open_medium

SECTOR = 2048
PVD = 16 * SECTOR
# An ISO whose tree is wrong beyond what pycdlib says so of may keep it busy; more than this is a hang.
PATIENCE_SECONDS = 60


def offset_of(iso: Path, path: str) -> tuple[int, int]:
    with open_medium(iso) as medium:
        file = medium.require(PurePosixPath(path))
    return file.offset, file.size


def catalogue(data: bytearray) -> int:
    return int(struct.unpack_from("<I", data, 17 * SECTOR + 0x47)[0]) * SECTOR


def flip(data: bytearray, offset: int) -> None:
    data[offset] ^= 1


def test_every_flipped_bit_of_the_squashfs_is_found(good_iso: Path, damaged: Damaged) -> None:
    offset, size = offset_of(good_iso, "/LiveOS/squashfs.img")
    for place in random.Random(7).sample(range(size), 12):
        audit = damaged(lambda data, place=place: flip(data, offset + place))  # type: ignore[misc]
        assert Aspect.CHECKSUM in aspects_found(audit), place


def test_block_that_does_not_unpack_is_found_without_a_checksum(tmp_path: Path) -> None:
    medium = SmallMedium(checksum=False)
    medium.rootfs["etc/large"] = "".join(random.Random(1).choices("abcdef", k=300_000))
    iso = medium.write(tmp_path)
    offset, size = offset_of(iso, "/LiveOS/squashfs.img")
    data = bytearray(iso.read_bytes())
    data[offset + size // 2 : offset + size // 2 + 64] = bytes(64)
    iso.write_bytes(data)
    audit = audit_medium(iso)
    assert aspects_found(audit) == {Aspect.SQUASHFS_COMPLETE}
    assert "damaged" in texts_on(audit, Aspect.SQUASHFS_COMPLETE)
    assert Aspect.CHECKSUM not in audit.judged
    assert ["no checksum implanted" in note for note in audit.not_checked] == [True]
    assert "none implanted, so not checked" in as_text(audit)


def test_medium_is_known_by_the_sha256_of_all_its_bytes(good_iso: Path, damaged: Damaged) -> None:
    content = good_iso.read_bytes()
    assert audit_medium(good_iso).sha256 == hashlib.sha256(content).hexdigest()
    assert audit_medium(good_iso).not_checked == ()
    audit = damaged(lambda data: data.extend(b"more, behind what the checksum covers" * 50_000))
    assert audit.sha256 == hashlib.sha256(content + b"more, behind what the checksum covers" * 50_000).hexdigest()
    assert Aspect.CHECKSUM not in aspects_found(audit)


def test_audit_leaves_nothing_behind(good_iso: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    for directory in (here, temporary):
        directory.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = good_iso.read_bytes()
    assert audit_medium(good_iso).findings == ()
    assert list(here.iterdir()) == list(temporary.iterdir()) == []
    assert good_iso.read_bytes() == before
    assert Path("/dev/null").is_char_device()


def test_checksum_that_is_cut_is_found(damaged: Damaged) -> None:
    audit = damaged(lambda data: data.__setitem__(PVD + 883 + 20, ord("x")))
    assert texts_on(audit, Aspect.CHECKSUM) == "the medium's own checksum is damaged"


@pytest.mark.parametrize(
    ("change", "aspect", "text"),
    [
        (lambda data: flip(data, catalogue(data) + 5), Aspect.BOOT_CATALOGUE_BIOS, "validation entry is wrong"),
        (lambda data: data.__setitem__(catalogue(data), 0), Aspect.BOOT_CATALOGUE_UEFI, "no validation entry"),
        (lambda data: data.__setitem__(catalogue(data) + 32, 0), Aspect.BOOT_CATALOGUE_BIOS, "not bootable"),
        (lambda data: data.__setitem__(catalogue(data) + 38, 1), Aspect.BOOT_CATALOGUE_BIOS, "too few"),
        (lambda data: data.__setitem__(slice(0, 440), bytes(440)), Aspect.PARTITION_TABLE, "no boot code"),
        (lambda data: data.__setitem__(slice(510, 512), b"\0\0"), Aspect.PARTITION_TABLE, "no MBR"),
        (lambda data: flip(data, 512 + 60), Aspect.PARTITION_TABLE, "checksum of its header is wrong"),
        (lambda data: data.__setitem__(512, 0), Aspect.PARTITION_TABLE, "speaks of a GPT, but there is none"),
        (lambda data: flip(data, 1024 + 40), Aspect.PARTITION_TABLE, "checksum of its entries is wrong"),
        (lambda data: data.__delitem__(slice(-512, None)), Aspect.PARTITION_TABLE, "backup"),
        (lambda data: flip(data, len(data) - 500), Aspect.PARTITION_TABLE, "backup is damaged"),
    ],
)
def test_damage_to_what_firmware_reads_is_named(
    damaged: Damaged, change: Callable[[bytearray], None], aspect: Aspect, text: str
) -> None:
    assert text in texts_on(damaged(change), aspect)


def test_esp_must_cover_the_efi_image(good_iso: Path, damaged: Damaged) -> None:
    def move(data: bytearray) -> None:
        """Moves the second partition by one sector, in both copies, with right checksums."""
        last = len(data) // 512 - 1
        for header in (512, last * 512):
            (entries,) = struct.unpack_from("<Q", data, header + 72)
            count, size = struct.unpack_from("<II", data, header + 80)
            start = struct.unpack_from("<Q", data, entries * 512 + size + 32)[0]
            struct.pack_into("<Q", data, entries * 512 + size + 32, start + 1)
            struct.pack_into("<I", data, header + 88, zlib.crc32(data[entries * 512 : entries * 512 + count * size]))
            struct.pack_into("<I", data, header + 16, 0)
            struct.pack_into("<I", data, header + 16, zlib.crc32(data[header : header + 92]))

    assert "does not cover the EFI image" in texts_on(damaged(move), Aspect.PARTITION_TABLE)


def test_boot_image_for_bios_is_checked_by_its_own_checksum(good_iso: Path, damaged: Damaged) -> None:
    entry = bootable_entry(audit_medium(good_iso).boot.el_torito, Firmware.BIOS)
    assert entry is not None
    text = texts_on(damaged(lambda data: flip(data, entry.lba * SECTOR + 100)), Aspect.EL_TORITO_BIOS)
    assert "is damaged: its checksum" in text


def test_efi_image_that_is_no_fat_is_found(good_iso: Path, damaged: Damaged) -> None:
    entry = bootable_entry(audit_medium(good_iso).boot.el_torito, Firmware.UEFI)
    assert entry is not None
    offset = entry.lba * SECTOR
    audit = damaged(lambda data: data.__setitem__(slice(offset, offset + 512), b"\1" * 512))
    assert "is no FAT" in texts_on(audit, Aspect.EFI_IMAGE)
    assert audit.fatal_for(Firmware.UEFI)


@pytest.mark.parametrize("share", [0.03, 0.1, 0.3, 0.6, 0.9])
def test_medium_cut_short_ends_in_findings_or_an_error(good_iso: Path, tmp_path: Path, share: float) -> None:
    data = good_iso.read_bytes()
    cut = tmp_path / "cut.iso"
    cut.write_bytes(data[: int(len(data) * share)])
    audit = None
    with contextlib.suppress(UserError):
        audit = audit_medium(cut)
    if audit is not None:
        assert Aspect.CHECKSUM in aspects_found(audit)
        assert Audit.from_json(audit.to_json()) == audit


@pytest.mark.parametrize("seed", range(12))
def test_garbage_anywhere_ends_in_findings_or_an_error(good_iso: Path, tmp_path: Path, seed: int) -> None:
    """Descriptors, path tables and directories are what lies before the first file."""
    generator = random.Random(seed)
    data = bytearray(good_iso.read_bytes())
    first = 16 * SECTOR if seed % 2 else 19 * SECTOR
    for _ in range(generator.choice((1, 20, 400))):
        data[generator.randrange(first, 60 * SECTOR)] = generator.randrange(256)
    bad = tmp_path / "bad.iso"
    bad.write_bytes(data)
    code, output = inspected(bad)
    assert code in (0, 2), output
    assert "Traceback" not in output


def test_directory_that_contains_itself_is_no_endless_walk(good_iso: Path, tmp_path: Path) -> None:
    data = bytearray(good_iso.read_bytes())
    (root,) = struct.unpack_from("<I", data, PVD + 156 + 2)
    position = root * SECTOR
    while data[position]:
        if data[position + 25] & 2:
            struct.pack_into("<I", data, position + 2, root)
            struct.pack_into(">I", data, position + 6, root)
        position += data[position]
    bad = tmp_path / "loop.iso"
    bad.write_bytes(data)
    code, output = inspected(bad)
    assert code in (0, 2), output
    assert "Traceback" not in output


def inspected(iso: Path) -> tuple[int, str]:
    """`mic inspect` as a user runs it."""
    command = [sys.executable, "-m", "mic.cli", "inspect", str(iso)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    return done.returncode, done.stdout + done.stderr


def test_text_of_the_boot_record_in_a_file_is_left_as_it_is(tmp_path: Path) -> None:
    medium = SmallMedium()
    medium.files["notes"] = "EL TORITO SPECIFICATION"
    with open_medium(medium.write(tmp_path)) as opened:
        assert opened.read(PurePosixPath("/notes")) == b"EL TORITO SPECIFICATION"


def test_foreign_medium_gives_the_facts_it_has(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "readme.txt").write_text("no live medium\n")
    iso = tmp_path / "foreign.iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-V", "FOREIGN", "-o", iso, tree)
    audit = audit_medium(iso)
    assert audit.volume_label == "FOREIGN"
    assert {Aspect.BOOT_CATALOGUE_BIOS, Aspect.BOOT_FILES, Aspect.SQUASHFS} <= aspects_found(audit)
    assert set(audit.fatal_for(Firmware.BIOS)) & set(audit.fatal_for(Firmware.UEFI))
    assert Audit.from_json(audit.to_json()) == audit
    code, output = inspected(iso)
    assert code == 0
    assert "finding             live.boot-files" in output


def test_what_is_no_iso_ends_in_2(tmp_path: Path) -> None:
    path = tmp_path / "no.iso"
    path.write_bytes(b"no iso\n" * 10000)
    code, output = inspected(path)
    assert code == 2
    assert "not an ISO 9660 image" in output
