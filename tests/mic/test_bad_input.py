"""Bad input: a sentence, exit code 2, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import bad_images
from fixtures.variants import Remove, make_variant

WHOLE_CONFIG = "SystemConfig:\n  Hostname: bad-input\n"


def mic_build(image: Path, config: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Runs `mic build` as a user does."""
    options = ("--image-file", image, "--config-file", config, "--output-image-file", output)
    return subprocess.run(
        [sys.executable, "-m", "mic.cli", "build", *options, "--output-image-format", "iso", *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A directory for the image, the configuration and the output; the output's must be empty in the end."""
    (tmp_path / "out").mkdir()
    (tmp_path / "config.yaml").write_text(WHOLE_CONFIG)
    return tmp_path


def assert_refused(done: subprocess.CompletedProcess[str], workplace: Path, *phrases: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for phrase in phrases:
        assert phrase in done.stderr
    assert list((workplace / "out").iterdir()) == []
    assert str(workplace) not in Path("/proc/mounts").read_text()


BAD_IMAGES: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "missing": (lambda _base, output: output, "does not exist"),
    "directory": (lambda _base, output: output.mkdir(), "not a regular file"),
    "empty": (lambda _base, output: bad_images.empty_file(output), "is empty"),
    "not an image": (lambda _base, output: bad_images.not_an_image(output), "no partition table"),
    "no table": (lambda _base, output: bad_images.without_partition_table(output), "no partition table"),
    "no root": (lambda _base, output: bad_images.without_linux_root(output), "no Linux root file system"),
}
BAD_REAL_IMAGES: dict[str, tuple[Callable[[Path, Path], object], tuple[str, ...]]] = {
    "truncated raw": (bad_images.truncated_raw, ("the image is truncated",)),
    "truncated qcow2": (bad_images.truncated_qcow2, ("damaged or truncated",)),
    "backing file": (bad_images.with_backing_file, ("backing file",)),
    "no kernel": (lambda base, output: make_variant(base, output, [Remove("/boot/vmlinuz-*")]), ("no kernel",)),
    "no dracut": (
        lambda base, output: make_variant(base, output, [Remove("/usr/bin/dracut")]),
        ("no dracut", "install the packages dracut and dracut-live"),
    ),
    "no init": (
        lambda base, output: make_variant(base, output, [Remove("/usr/sbin/init"), Remove("/usr/lib/systemd/systemd")]),
        ("no init", "install the package systemd-sysv"),
    ),
    "no dmsquash-live": (
        lambda base, output: make_variant(base, output, [Remove("/usr/lib/dracut/modules.d/*dmsquash-live")]),
        ("no module dmsquash-live", "install the package dracut-live"),
    ),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_image_is_refused(name: str, workplace: Path) -> None:
    make, phrase = BAD_IMAGES[name]
    make(workplace, workplace / "image.raw")
    done = mic_build(workplace / "image.raw", workplace / "config.yaml", workplace / "out" / "x.iso")
    assert_refused(done, workplace, phrase, str(workplace / "image.raw"))


@pytest.mark.image
@pytest.mark.parametrize("name", BAD_REAL_IMAGES)
def test_image_that_cannot_become_a_live_medium_is_refused(name: str, bookworm: Path, workplace: Path) -> None:
    make, phrases = BAD_REAL_IMAGES[name]
    image = workplace / "image"
    make(bookworm, image)
    done = mic_build(image, workplace / "config.yaml", workplace / "out" / "x.iso")
    image.unlink()
    assert_refused(done, workplace, *phrases)


TWO_FOR_ONE = "Iso:\n  AdditionalFiles:\n    a.txt: /data/file\n    b.txt: /data/file\n"
BAD_CONFIGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "broken YAML": ("SystemConfig: [\n", ("config.yaml:",)),
    "unknown key": ("SystemConfig:\n  Hostnam: x\n", ("config.yaml:2:3", "Hostnam", "Hostname")),
    "source missing": ("Iso:\n  AdditionalFiles:\n    missing.txt: /data\n", ("config.yaml:3:5", "missing.txt")),
    "two for one destination": (TWO_FOR_ONE, ("config.yaml:4:", "/data/file")),
    "for disks": (
        "SystemConfig:\n  Verity:\n    DataPartition: {IdType: PartLabel, Id: a}\n"
        "    HashPartition: {IdType: PartLabel, Id: b}\n",
        ("config.yaml:3:5", "SystemConfig.Verity"),
    ),
    "unbalanced quote": ('Iso:\n  KernelCommandLine: "a \'b"\n', ("config.yaml:2:", "never closed")),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_configuration_is_refused_before_the_image_is_read(name: str, workplace: Path) -> None:
    text, phrases = BAD_CONFIGS[name]
    (workplace / "config.yaml").write_text(text)
    for file in ("a.txt", "b.txt"):
        (workplace / file).write_text(file)
    done = mic_build(workplace / "no-such-image", workplace / "config.yaml", workplace / "out" / "x.iso")
    assert_refused(done, workplace, *phrases)


@pytest.mark.parametrize("destination", ["/boot/vmlinuz", "/LiveOS/squashfs.img", "/EFI/BOOT/BOOTX64.EFI", "/boot"])
@pytest.mark.image
def test_collision_with_the_tools_own_files_is_refused(destination: str, bookworm: Path, workplace: Path) -> None:
    (workplace / "a.txt").write_text("mine")
    (workplace / "config.yaml").write_text(f"Iso:\n  AdditionalFiles:\n    a.txt: {destination}\n")
    done = mic_build(bookworm, workplace / "config.yaml", workplace / "out" / "x.iso")
    assert_refused(done, workplace, "config.yaml:3:12", "collides")


@pytest.mark.image
def test_everything_the_image_cannot_satisfy_is_told_at_once(bookworm: Path, workplace: Path) -> None:
    (workplace / "a.txt").write_text("mine")
    (workplace / "config.yaml").write_text(
        "SystemConfig:\n"
        "  Users:\n  - Name: one\n    PrimaryGroup: sudoo\n  - Name: two\n    SecondaryGroups: [nowhere]\n"
        "  AdditionalFiles:\n    a.txt: [/usr, /etc/passwd/file, /etc/fstab]\n"
    )
    done = mic_build(bookworm, workplace / "config.yaml", workplace / "out" / "x.iso")
    assert_refused(
        done,
        workplace,
        "config.yaml:4:19: SystemConfig.Users[0].PrimaryGroup: the image has no group sudoo (did you mean sudo?)",
        "config.yaml:6:23: SystemConfig.Users[1].SecondaryGroups[0]: the image has no group nowhere",
        "/usr exists in the image and is not a file",
        "/etc/passwd is not a directory",
        "/etc/fstab is dropped",
    )
    assert len(done.stderr.splitlines()) == 5


@pytest.mark.image
def test_command_line_too_long_for_the_kernel_is_refused(bookworm: Path, workplace: Path) -> None:
    (workplace / "config.yaml").write_text(f"Iso:\n  KernelCommandLine: {'x' * 1990}\n")
    done = mic_build(bookworm, workplace / "config.yaml", workplace / "out" / "x.iso")
    assert_refused(done, workplace, "the kernel takes 2047")


def test_output_directory_missing(workplace: Path) -> None:
    done = mic_build(workplace / "image", workplace / "config.yaml", workplace / "nowhere" / "x.iso")
    assert_refused(done, workplace, "output directory does not exist", str(workplace / "nowhere"))


@contextmanager
def small_disk(directory: Path, mebibytes: int) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", directory], check=True)
    try:
        yield
        assert list(directory.iterdir()) == []
    finally:
        subprocess.run(["umount", directory], check=True)


@pytest.mark.image
@pytest.mark.parametrize(("mebibytes", "phrase"), [(20, "not enough space"), (150, "no space left")])
def test_full_disk_is_told_and_left_as_it_was(bookworm: Path, workplace: Path, mebibytes: int, phrase: str) -> None:
    with small_disk(workplace / "out", mebibytes):
        done = mic_build(bookworm, workplace / "config.yaml", workplace / "out" / "x.iso")
        assert done.returncode == 2, done.stderr
        assert phrase in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.image
def test_failed_build_leaves_the_previous_iso(bookworm: Path, workplace: Path) -> None:
    """Bad input never costs data: the output is replaced only by a whole one."""
    (workplace / "out" / "x.iso").write_text("the previous one")
    (workplace / "config.yaml").write_text("SystemConfig:\n  Users:\n  - Name: one\n    PrimaryGroup: nowhere\n")
    done = mic_build(bookworm, workplace / "config.yaml", workplace / "out" / "x.iso")
    assert done.returncode == 2
    assert [path.name for path in (workplace / "out").iterdir()] == ["x.iso"]
    assert (workplace / "out" / "x.iso").read_text() == "the previous one"


def test_output_over_the_input_image_is_refused(workplace: Path) -> None:
    image = bad_images.without_partition_table(workplace / "image.raw")
    done = mic_build(image, workplace / "config.yaml", image)
    assert_refused(done, workplace, "overwrite the input image")
