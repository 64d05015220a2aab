"""A whole ISO of `mic build`, read by another implementation than the one that wrote it."""

from __future__ import annotations

import io
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from fixtures.variants import root_editor
from mic.medium.paths import owner_of
from mic.programs import run
from tests.conftest import SCENARIOS
from verify.audit import Aspect, audit_medium

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def iso(example1: Path) -> Iterator[Any]:
    opened = pycdlib.PyCdlib()
    opened.open(str(example1))
    yield opened
    opened.close()


def content(iso: Any, path: str) -> bytes:
    file = io.BytesIO()
    iso.get_file_from_iso_fp(file, rr_path=path)
    return file.getvalue()


def test_one_label_throughout(iso: Any) -> None:
    label = iso.pvd.volume_identifier.decode().rstrip()
    assert re.fullmatch(r"MIC_[0-9A-F]{8}", label)
    grub_cfg = content(iso, "/boot/grub/grub.cfg").decode()
    assert f"search --no-floppy --set=root --label {label}\n" in grub_cfg
    assert f"'root=live:LABEL={label}'" in grub_cfg
    for stub in ("/EFI/BOOT/grub.cfg", "/EFI/debian/grub.cfg", "/boot/grub2/grub.cfg"):
        assert f"--label {label}\n" in content(iso, stub).decode()


def test_users_files_are_on_the_medium_as_they_were(iso: Any) -> None:
    for name in ("user-data", "meta-data", "network-config"):
        source = SCENARIOS / "example1" / "cloud-init-data" / name
        assert content(iso, f"/cloud-init-data/{name}") == source.read_bytes()


def test_signed_loaders_of_the_image_are_untouched(iso: Any, bookworm: Path) -> None:
    for on_iso, in_image in (
        ("BOOTX64.EFI", "shim/shimx64.efi.signed"),
        ("grubx64.efi", "grub/x86_64-efi-signed/grubx64.efi.signed"),
    ):
        dumped = subprocess.run(
            ["debugfs", "-R", f"cat /usr/lib/{in_image}", f"{bookworm}?offset={root_editor(bookworm).offset}"],
            capture_output=True,
            check=True,
        ).stdout
        assert len(dumped) > 100_000
        assert content(iso, f"/EFI/BOOT/{on_iso}") == dumped


def test_el_torito_has_bios_and_uefi(iso: Any) -> None:
    catalogue = iso.eltorito_boot_catalog
    assert catalogue.validation_entry.platform_id == 0x00
    assert catalogue.initial_entry.boot_indicator == 0x88
    assert [(s.platform_id, len(s.section_entries)) for s in catalogue.sections] == [(0xEF, 1)]


def test_disk_has_a_gpt_with_the_efi_image_as_its_system_partition(example1: Path) -> None:
    table = subprocess.run(["sfdisk", "--json", example1], capture_output=True, text=True, check=True).stdout
    assert '"label": "gpt"' in table
    assert "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" in table
    with example1.open("rb") as file:
        assert struct.unpack("<H", file.read(512)[510:])[0] == 0xAA55


def test_efi_image_holds_loaders_and_stubs(example1: Path, tmp_path: Path) -> None:
    table = subprocess.run(["sfdisk", "--dump", example1], capture_output=True, text=True, check=True).stdout
    start = next(re.search(r"start=\s*(\d+)", line) for line in table.splitlines() if "C12A7328" in line)
    assert start is not None
    image = f"{example1}@@{int(start[1]) * 512}"
    listing = subprocess.run(
        ["mdir", "-/", "-b", "-i", image, "::/"], capture_output=True, text=True, check=True
    ).stdout
    for name in ("EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/debian/grub.cfg", "boot/grub/grub.cfg"):
        assert f"::/{name}\n" in listing


def test_audit_finds_nothing_wrong_and_a_checksum(example1: Path) -> None:
    audit = audit_medium(example1)
    assert audit.findings == ()
    assert audit.unjudged == ()
    assert audit.judged == frozenset(Aspect)
    run("checkisomd5", "--verbose", example1)


def test_build_says_what_it_does_and_how_long_it_took(example1: Path) -> None:
    log = example1.with_suffix(".log").read_text()
    for stage in ("customise", "rootfs to squashfs", "initrd by the image's dracut", "write the ISO", "total"):
        assert re.search(rf"^  {re.escape(stage)} +\d+\.\d s$", log, re.MULTILINE), stage
    assert log.count("warning:") == 1, "one warning, of what was added for cloud-init"
    assert "testpassword" not in log
    assert "\x1b" not in log, "plain lines in a log"


@pytest.mark.parametrize(
    ("path", "collides"),
    [
        ("/boot/vmlinuz", True),
        ("/BOOT/VMLINUZ", True),
        ("/boot", True),
        ("/boot/vmlinuz/x", True),
        ("/efi", True),
        ("/EFI/boot/x", True),
        ("/EFI/tools/memtest.efi", False),
        ("/boot/other", False),
        ("/LiveOS/extra.img", False),
        ("/cloud-init-data/user-data", False),
    ],
)
def test_collisions_are_known(path: str, collides: bool) -> None:
    from pathlib import PurePosixPath

    assert (owner_of(PurePosixPath(path)) is not None) == collides
