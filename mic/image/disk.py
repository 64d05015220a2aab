"""A disk image as one flat, read-only file, whatever its format."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mic.errors import UserError
from mic.programs import ProgramFailed, require, run, started

SUPPORTED_FORMATS = ("raw", "qcow2")
_EXPORT_SECONDS = 20.0


@dataclass(frozen=True)
class Disk:
    """A disk image opened for reading. `flat` shows its `size` bytes from the first sector on."""

    image: Path
    format: str
    flat: Path
    size: int


@contextmanager
def open_disk(image: Path, workspace: Path) -> Iterator[Disk]:
    """Opens a raw or qcow2 image without copying it; the image file is never written to.

    Raises `UserError` when it is missing, not a file, of another format, damaged, or refers to other files.
    """
    require("qemu-img", "qemu-storage-daemon")
    _refuse_unreadable(image)
    image_format = _format_of(image)
    if image_format == "raw":
        yield Disk(image, image_format, image, image.stat().st_size)
        return
    _refuse_damaged(image, image_format)
    with _exported(image, image_format, workspace / "disk.raw") as flat:
        yield Disk(image, image_format, flat, flat.stat().st_size)


def _refuse_unreadable(image: Path) -> None:
    if not image.exists():
        raise UserError("the image file does not exist", where=image)
    if not image.is_file():
        raise UserError("the image is not a regular file", where=image)
    if not os.access(image, os.R_OK):
        raise UserError("the image file cannot be read", where=image, hint="check its permissions")
    if image.stat().st_size == 0:
        raise UserError("the image file is empty", where=image)


def _format_of(image: Path) -> str:
    try:
        info = json.loads(run("qemu-img", "info", "--output=json", image).stdout)
    except ProgramFailed as error:
        raise UserError(f"not a readable disk image: {error.completed.complaint}", where=image) from error
    image_format = str(info["format"])
    if image_format not in SUPPORTED_FORMATS:
        raise UserError(
            f"the image has the format {image_format}, which is not supported yet",
            where=image,
            hint=f"convert it: qemu-img convert -O qcow2 {image.name} {image.stem}.qcow2",
        )
    details = info.get("format-specific", {}).get("data", {})
    # A file the image names could be any file of the host, and would be read with our privileges.
    for key, what in (("backing-filename", "a backing file"), ("data-file", "an external data file")):
        if info.get(key) or details.get(key):
            raise UserError(
                f"the image depends on {what}, which is refused because it may point anywhere on this host",
                where=image,
                hint="make it self-contained with qemu-img convert",
            )
    return image_format


def _refuse_damaged(image: Path, image_format: str) -> None:
    # qemu-img(1): 2 is corruption, 3 are leaked clusters, which cost space only.
    checked = run("qemu-img", "check", "-q", "-f", image_format, image, check=False)
    if checked.exit_code not in (0, 3):
        raise UserError(
            "the image is damaged or truncated", where=image, hint=f"qemu-img check {image.name} shows where"
        )


@contextmanager
def _exported(image: Path, image_format: str, mountpoint: Path) -> Iterator[Path]:
    """The image's content as one raw file, served by qemu-storage-daemon(1) through FUSE."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise UserError(
            f"reading a {image_format} image needs /dev/fuse, which this host does not offer",
            where=image,
            hint="load the fuse module, or convert the image: qemu-img convert -O raw",
        )
    mountpoint.touch()
    pid_file = mountpoint.with_suffix(".pid")
    options = json.dumps(
        {
            "driver": image_format,
            "node-name": "disk",
            "read-only": True,
            "file": {"driver": "file", "filename": str(image.resolve()), "read-only": True},
        }
    )
    export = f"type=fuse,id=disk,node-name=disk,mountpoint={_escaped(mountpoint)},writable=off"
    command = ("qemu-storage-daemon", "--blockdev", options, "--export", export, "--pidfile", pid_file)
    with started(*command) as daemon:
        end = time.monotonic() + _EXPORT_SECONDS
        # The pid file is written once every option, the export too, has been carried out.
        while not pid_file.exists():
            if daemon.poll() is not None:
                assert daemon.stderr is not None
                complaint = daemon.stderr.read().decode(errors="replace").strip()
                raise UserError(f"the image cannot be opened: {complaint}", where=image)
            if time.monotonic() > end:
                raise UserError(f"the image did not open within {_EXPORT_SECONDS:.0f} s", where=image)
            time.sleep(0.01)
        yield mountpoint


def _escaped(path: Path) -> str:
    """`path` as a value in a QEMU option list, where a comma is written twice."""
    return str(path).replace(",", ",,")
