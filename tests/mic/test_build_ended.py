"""A build that is ended in its middle leaves nothing, and the next one works."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mic.test_isolation import wait_for_no_traces

pytestmark = pytest.mark.image


def start_build(image: Path, directory: Path) -> subprocess.Popen[bytes]:
    (directory / "config.yaml").write_text("{}\n")
    options = ("--image-file", image, "--config-file", directory / "config.yaml")
    return subprocess.Popen(
        [sys.executable, "-m", "mic.cli", "build", *options, "--output-image-file", directory / "out" / "x.iso"],
        stderr=subprocess.PIPE,
    )


def wait_until_it_packs(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Until the squashfs grows: the image is mounted, dracut runs in the sandbox, a loop device is attached."""
    end = time.monotonic() + 60
    while not any(path.stat().st_size > 1 << 20 for path in directory.glob("out/.mic-*/squashfs.img")):
        assert process.poll() is None, "the build ended before it could be disturbed"
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_ended_build_leaves_nothing(how: signal.Signals, kind: str, bookworm: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    image = bookworm
    if kind == "qcow2":
        image = tmp_path / "image.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "3G"], check=True)
        subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", bookworm, image], check=True)
    process = start_build(image, tmp_path)
    wait_until_it_packs(process, tmp_path)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert b"Traceback" not in stderr
    if how is signal.SIGINT:
        assert b"interrupted" in stderr
    assert wait_for_no_traces(tmp_path / "out") == []
