"""The rootfs is read inside the medium's squashfs, in place."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from mic.programs import run
from verify.squashfs import RootfsOnMedium, parse_listing
from verify.verdict import ProductFailure

OFFSET = 4096


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> RootfsOnMedium:
    """A small tree with links, odd names and modes, as a squashfs that begins inside a larger file."""
    directory = tmp_path_factory.mktemp("rootfs")
    tree = directory / "tree"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "usr/lib/os-release").write_text("ID=test\n")
    (tree / "etc/os-release").symlink_to("../usr/lib/os-release")
    (tree / "lib").symlink_to("/usr/lib")
    (tree / "loop").symlink_to("loop")
    odd = tree / "odd [name]*?\\ "
    odd.write_bytes(b"\0odd\xff")
    odd.chmod(0o4751)
    squashfs = directory / "squashfs"
    run("mksquashfs", tree, squashfs, "-noappend", "-quiet", "-no-progress", "-all-root", "-comp", "gzip")
    medium = directory / "medium"
    medium.write_bytes(b"\0" * OFFSET + squashfs.read_bytes())
    return RootfsOnMedium(medium, OFFSET)


def test_links_are_followed_inside_the_rootfs(rootfs: RootfsOnMedium) -> None:
    assert rootfs.read_text("/etc/os-release") == "ID=test\n"
    assert rootfs.read_text("/lib/os-release") == "ID=test\n"
    found = rootfs.find(PurePosixPath("/lib/os-release"))
    assert found is not None
    assert found[0] == PurePosixPath("/usr/lib/os-release")


def test_odd_names_and_modes_are_read(rootfs: RootfsOnMedium) -> None:
    path = PurePosixPath("/odd [name]*?\\ ")
    entry = rootfs.entries[path]
    assert (entry.kind, entry.mode, entry.uid, entry.gid, entry.size) == ("-", 0o4751, 0, 0, 5)
    assert rootfs.read(path) == b"\0odd\xff"


@pytest.mark.parametrize("path", ["/etc/nothing", "/loop", "/etc", "/usr/lib/os-release/below"])
def test_what_is_no_file_is_a_product_failure(rootfs: RootfsOnMedium, path: str) -> None:
    with pytest.raises(ProductFailure):
        rootfs.read(PurePosixPath(path))


def test_what_is_no_squashfs_is_a_product_failure(rootfs: RootfsOnMedium) -> None:
    with pytest.raises(ProductFailure, match="squashfs cannot be read"):
        _ = RootfsOnMedium(rootfs.iso, OFFSET + 1).entries


def test_devices_and_names_with_arrows_are_parsed() -> None:
    entries = parse_listing(
        "drwxr-xr-x 0/0                 332 2026-11-23 20:26 squashfs-root\n"
        "crw-rw-rw- 0/5               1,  3 2026-11-23 20:26 squashfs-root/dev/null\n"
        "-rw-r--r-- 0/0                   1 2026-11-23 20:26 squashfs-root/a -> b\n"
        "lrwxrwxrwx 0/0                   1 2026-11-23 20:26 squashfs-root/l -> b c\n"
        "drwxrwsrwt 0/0                   1 2026-11-23 20:26 squashfs-root/t\n"
    )
    assert entries[PurePosixPath("/dev/null")].kind == "c"
    assert entries[PurePosixPath("/a -> b")].target is None
    assert entries[PurePosixPath("/l")].target == "b c"
    assert entries[PurePosixPath("/t")].mode == 0o3777
