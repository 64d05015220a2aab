"""A real image's rootfs and initrd, converted once, compared with what they were made from."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.variants import (
    DeviceKind,
    HardLink,
    MakeDeviceNode,
    MakeSymbolicLink,
    SetExtendedAttribute,
    SetModificationTime,
    WriteFile,
    make_variant,
)
from mic.image.layout import open_image
from mic.image.root import mounted_read_only
from mic.isolation import run_isolated
from mic.liveos.cpio import read_entries
from mic.liveos.early_boot import snapshot
from mic.liveos.live_system import make_live_system
from mic.mounts import mounted
from mic.programs import run
from mic.progress import Progress
from mic.rootfs.view import open_rootfs
from tests.mic.listing import Entry, entries

pytestmark = pytest.mark.image

CAPABILITY = bytes.fromhex("0100000200240000000000000000000000000000")
CHANGES = (
    WriteFile("/usr/bin/setuid-tool", "#!/bin/sh\n", mode=0o4755),
    WriteFile("/usr/bin/ping-tool", "#!/bin/sh\n", mode=0o755),
    SetExtendedAttribute("/usr/bin/ping-tool", "security.capability", CAPABILITY),
    WriteFile("/srv/owned", "mine\n", mode=0o640, uid=1234, gid=70000),
    SetExtendedAttribute("/srv/owned", "user.note", b"kept"),
    SetModificationTime("/srv/owned", 1_000_000_000),
    HardLink("/srv/owned-too", "/srv/owned"),
    MakeDeviceNode("/srv/null", DeviceKind.CHARACTER, 1, 3, mode=0o666),
    MakeDeviceNode("/srv/pipe", DeviceKind.PIPE),
    MakeSymbolicLink("/srv/dangling", "/does/not/exist"),
    WriteFile("/srv/-e odd ; name = 'x' \\ é", "odd\n"),
    WriteFile("/etc/dracut.conf.d/50-own.conf", OWN_CONF := (
        'hostonly="yes"\nadd_dracutmodules+=" own "\nadd_drivers+=" dummy "\ninstall_items+=" /etc/own-file "\n'
    )),
    WriteFile("/etc/own-file", "for the initrd\n"),
    WriteFile(
        "/usr/lib/dracut/modules.d/99own/module-setup.sh",
        '#!/bin/bash\ncheck() { return 255; }\ninstall() { inst_hook cmdline 99 "$moddir/own-hook.sh"; }\n',
        mode=0o755,
    ),
    WriteFile("/usr/lib/dracut/modules.d/99own/own-hook.sh", "#!/bin/sh\necho own\n", mode=0o755),
)  # fmt: skip


@dataclass(frozen=True)
class Converted:
    """What went in and what came out, as listings."""

    before: dict[str, Entry]
    after: dict[str, Entry]
    initrd: frozenset[str]
    initrd_magics: tuple[bytes, ...]
    image_unchanged: bool


@pytest.fixture(scope="module")
def variant(bookworm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    image = make_variant(bookworm, tmp_path_factory.mktemp("variant") / "variant.raw", CHANGES)
    yield image
    image.unlink()


@pytest.fixture(scope="module")
def converted(variant: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return isolated_once(tmp_path_factory.mktemp("converted"), lambda workspace: convert(variant, workspace))


def isolated_once(directory: Path, work: Callable[[Path], Converted]) -> Converted:
    import pickle

    outcome = directory / "outcome"

    def and_report(workspace: Path) -> int:
        outcome.write_bytes(pickle.dumps(work(workspace)))
        return 0

    assert run_isolated(and_report, parent=directory) == 0
    result: Converted = pickle.loads(outcome.read_bytes())
    return result


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(image_file: Path, workspace: Path) -> Converted:
    image_digest = digest(image_file)
    with open_image(image_file, workspace) as image:
        with open_rootfs(image, workspace) as rootfs:
            system = make_live_system(rootfs, snapshot(rootfs.tree), workspace, Progress())
        with mounted_read_only(image.disk, image.root, workspace / "before") as before:
            entries_before = entries(before)
    after = workspace / "after"
    after.mkdir()
    with mounted("-t", "squashfs", "-o", "ro,loop", system.squashfs, after):
        entries_after = entries(after)
    unpacked = workspace / "initrd.cpio"
    unpacked.write_bytes(run("zstd", "-dc", system.initrd).stdout)
    with unpacked.open("rb") as file:
        paths = frozenset(entry.path for entry in read_entries(file))
    magic = system.initrd.read_bytes()[:4]
    return Converted(entries_before, entries_after, paths, (magic,), digest(image_file) == image_digest)


def test_fstab_and_nothing_else_is_dropped(converted: Converted) -> None:
    assert "etc/fstab" in converted.before
    assert set(converted.before) - set(converted.after) == {"etc/fstab"}
    assert set(converted.after) - set(converted.before) == set()


def test_every_entry_is_unchanged(converted: Converted) -> None:
    different = {
        path: (before, converted.after[path])
        for path, before in converted.before.items()
        if path != "etc/fstab" and converted.after[path] != before
    }
    assert different == {}


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        ("usr/bin/setuid-tool", "mode", 0o104755),
        ("usr/bin/ping-tool", "xattrs", frozenset({("security.capability", CAPABILITY)})),
        ("srv/owned", "uid", 1234),
        ("srv/owned", "gid", 70000),
        ("srv/owned", "mtime", 1_000_000_000),
        ("srv/owned", "xattrs", frozenset({("user.note", b"kept")})),
        ("srv/owned", "links", frozenset({"srv/owned", "srv/owned-too"})),
        ("srv/null", "content", str(1 << 8 | 3)),
        ("srv/pipe", "mode", 0o010600),
        ("srv/dangling", "content", "/does/not/exist"),
        ("srv/-e odd ; name = 'x' \\ é", "mode", 0o100644),
    ],
)
def test_what_copies_often_lose_is_there(converted: Converted, path: str, attribute: str, value: Any) -> None:
    """So that the comparison above has something to compare."""
    assert getattr(converted.after[path], attribute) == value


def test_input_image_is_not_written_to(converted: Converted) -> None:
    assert converted.image_unchanged


@pytest.mark.parametrize(
    "name",
    ["etc/own-file", "own-hook.sh", "/dummy.ko", "dmsquash-live-root", "/overlay.ko", "/squashfs.ko", "/isofs.ko"],
)
def test_initrd_follows_the_images_own_dracut_configuration(converted: Converted, name: str) -> None:
    assert [path for path in converted.initrd if name in path]


def test_initrd_is_packed_with_what_the_images_kernel_reads(converted: Converted) -> None:
    assert converted.initrd_magics == (bytes.fromhex("28b52ffd"),)


def test_image_whose_configuration_leaves_out_the_live_boot_is_refused(
    bookworm: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changes = (WriteFile("/etc/dracut.conf.d/50-own.conf", 'omit_dracutmodules+=" dmsquash-live "\n'),)
    image_file = make_variant(bookworm, tmp_path / "variant.raw", changes)

    def work(workspace: Path) -> int:
        with open_image(image_file, workspace) as image, open_rootfs(image, workspace) as rootfs:
            make_live_system(rootfs, snapshot(rootfs.tree), workspace, Progress())
        return 0

    assert run_isolated(work, parent=tmp_path) != 0
    assert "dmsquash-live" in capfd.readouterr().err


def test_listing_sees_a_difference(tmp_path: Path) -> None:
    """The comparison can fail: a changed mode, a broken hard link and a changed time are seen."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
        subprocess.run(["ln", "file", "link"], cwd=tmp_path / name, check=True)
    assert entries(tmp_path / "a")["file"].links == {"file", "link"}
    (tmp_path / "b" / "link").unlink()
    (tmp_path / "b" / "link").write_text("x")
    (tmp_path / "b" / "file").chmod(0o600)
    assert entries(tmp_path / "a")["file"] != entries(tmp_path / "b")["file"]
    assert entries(tmp_path / "b")["file"].links == frozenset()
