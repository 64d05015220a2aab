"""The live initrd: made by the image's own dracut with its own configuration, packed by the host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mic.errors import UserError
from mic.liveos.cpio import archive_starts, read_entries
from mic.liveos.dracut import Dracut
from mic.liveos.early_boot import CarriedFiles
from mic.programs import ProgramFailed, require, run
from mic.rootfs.kernel import Kernel
from mic.rootfs.sandbox import Sandbox

# What the way from the firmware to the medium and its squashfs may need, where the kernel has it as a module.
DRIVERS = (
    "overlay",
    "squashfs",
    "loop",
    "isofs",
    "sr_mod",
    "cdrom",
    "sd_mod",
    "uas",
    "usb_storage",
    "virtio_scsi",
)
ESSENTIAL_DRIVERS = ("overlay", "squashfs", "loop", "isofs")
_OUTPUT = "/run/mic"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Compression:
    """A program that packs stdin to stdout in a format the image's kernel reads."""

    name: str
    command: tuple[str, ...]


ZSTD = Compression("zstd", ("zstd", "-T0", "-3", "-q", "-c"))
GZIP = Compression("gzip", ("gzip", "-6", "-n", "-c"))


def compression_for(kernel: Kernel) -> Compression:
    """zstd where the kernel's configuration has CONFIG_RD_ZSTD, else gzip, which every kernel reads."""
    return ZSTD if kernel.has_option("CONFIG_RD_ZSTD") else GZIP


def make_initrd(sandbox: Sandbox, dracut: Dracut, kernel: Kernel, carried: CarriedFiles, workspace: Path) -> Path:
    """Runs dracut in the sandbox, where nothing can be changed, and returns the packed initrd.

    `carried` goes in at the paths that it has in the image.
    Raises `UserError` when dracut fails or leaves out what a live boot cannot do without.
    """
    output = workspace / "initrd"
    output.mkdir()
    drivers = " ".join(driver for driver in DRIVERS if kernel.needs_module(driver))
    try:
        sandbox.run(
            dracut.program,
            # A host-only initrd would hold what this machine needs, not the one that will boot, and drops
            # dmsquash-live in a chroot (dracut 059).
            "--no-hostonly",
            "--no-hostonly-cmdline",
            "--force",
            "--reproducible",
            "--no-compress",
            "--nostrip",
            "--add", "dmsquash-live",
            *(("--add-drivers", drivers) if drivers else ()),
            *(word for path in carried.files for word in ("--include", path, path)),
            *(("--install", " ".join(carried.programs)) if carried.programs else ()),
            "--kver", kernel.version,
            f"{_OUTPUT}/initrd.cpio",
            read_only=True,
            binds={output: _OUTPUT},
        )  # fmt: skip
    except ProgramFailed as error:
        raise UserError(
            f"the image's dracut failed ({error.completed.exit_code}): {error.completed.complaint}",
            hint="run dracut --no-hostonly --add dmsquash-live in the image to see more",
        ) from error
    archive = output / "initrd.cpio"
    if not archive.is_file():
        raise UserError("the image's dracut ended well but wrote no initrd")
    with archive.open("rb") as file:
        _refuse_incomplete(file, kernel, carried)
        return _packed(file, compression_for(kernel), workspace / "initrd.img")


def _refuse_incomplete(archive: BinaryIO, kernel: Kernel, carried: CarriedFiles) -> None:
    """Checks that the image's dracut has not left out what boots a live medium, nor what was to be carried."""
    paths = [entry.path for entry in read_entries(archive)]
    names = {path.rsplit("/", 1)[-1] for path in paths}
    modules = {name.split(".ko")[0].replace("-", "_") for name in names if ".ko" in name}
    missing = [d for d in ESSENTIAL_DRIVERS if kernel.needs_module(d) and d not in modules]
    missing += [d for d in ESSENTIAL_DRIVERS if not kernel.has_driver(d)]
    if not any("dmsquash-live-root" in name for name in names):
        missing.append("dmsquash-live")
    missing += [path for path in carried.files if path.lstrip("/") not in paths]
    if missing:
        raise UserError(
            f"the initrd that the image's dracut made lacks {', '.join(sorted(set(missing)))}",
            hint="look for omit_drivers and omit_dracutmodules in the image's /etc/dracut.conf.d",
        )


def _packed(archive: BinaryIO, compression: Compression, packed: Path) -> Path:
    """Compresses the last archive of the file and leaves those before it alone.

    The ones before hold CPU microcode, which the kernel looks for before it can uncompress anything
    (Documentation/arch/x86/microcode.rst).
    """
    require(compression.command[0])
    *_, (main_start, _number) = archive_starts(archive)
    archive.seek(0)
    rest = packed.with_suffix(".rest")
    with packed.open("wb") as output:
        remaining = main_start
        while remaining:
            piece = archive.read(min(_COPY_BYTES, remaining))
            output.write(piece)
            remaining -= len(piece)
    with rest.open("wb") as file:
        while piece := archive.read(_COPY_BYTES):
            file.write(piece)
    with packed.open("ab") as output:
        output.write(run(*compression.command, rest).stdout)
    rest.unlink()
    return packed
