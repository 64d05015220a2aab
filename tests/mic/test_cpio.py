"""Reading initrds: archives made by cpio itself, one after the other as dracut puts them."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from mic.liveos.cpio import NotCpio, archive_starts, read_entries
from mic.liveos.initrd import ZSTD, _packed


def archive(directory: Path, files: dict[str, bytes]) -> bytes:
    directory.mkdir()
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    names = "\n".join(sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))) + "\n"
    return subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=directory, capture_output=True, check=True
    ).stdout


@pytest.fixture
def early(tmp_path: Path) -> bytes:
    return archive(tmp_path / "early", {"kernel/x86/microcode/AuthenticAMD.bin": b"microcode" * 99})


@pytest.fixture
def main(tmp_path: Path) -> bytes:
    return archive(tmp_path / "main", {"init": b"#!/bin/sh\n", "usr/lib/a.ko": b"\x7fELF"})


def test_entries_of_all_archives_are_read(early: bytes, main: bytes) -> None:
    found = {(entry.archive, entry.path): entry for entry in read_entries(io.BytesIO(early + bytes(700) + main))}
    assert (0, "kernel/x86/microcode/AuthenticAMD.bin") in found
    assert found[(1, "init")].size == 10
    assert (1, "usr/lib/a.ko") in found


def test_archive_starts_are_where_the_archives_are(early: bytes, main: bytes) -> None:
    padding = bytes(512 - len(early) % 512)
    starts = list(archive_starts(io.BytesIO(early + padding + main)))
    assert starts == [(0, 0), (len(early + padding), 1)]


@pytest.mark.parametrize("garbage", [b"hello", b"\x28\xb5\x2f\xfd" * 100, b"070701" + b"0" * 50])
def test_what_is_not_cpio_is_told(garbage: bytes, main: bytes) -> None:
    with pytest.raises(NotCpio):
        list(read_entries(io.BytesIO(main + garbage)))


def test_microcode_stays_uncompressed_before_the_packed_rest(early: bytes, main: bytes, tmp_path: Path) -> None:
    """The kernel looks for microcode before it can uncompress anything."""
    packed = _packed(io.BytesIO(early + main), ZSTD, tmp_path / "initrd.img").read_bytes()
    assert packed.startswith(early)
    rest = subprocess.run(["zstd", "-dc"], input=packed[len(early) :], capture_output=True, check=True).stdout
    assert rest == main


def test_initrd_without_microcode_is_packed_whole(main: bytes, tmp_path: Path) -> None:
    packed = _packed(io.BytesIO(main), ZSTD, tmp_path / "initrd.img").read_bytes()
    assert subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout == main
