"""The EFI image: a FAT that the boot catalogue and the GPT point to. Read with mtools, never mounted."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mic.programs import ProgramFailed, require, run
from verify.audit.el_torito import bootable_entry
from verify.audit.facts import EfiFile, ElToritoEntry
from verify.audit.ledger import Ledger
from verify.audit.model import Aspect
from verify.audit.pe import machine_of, problem_of_program
from verify.audit.raw import CD_SECTOR_BYTES, RawMedium
from verify.grub_cfg import GrubCfg
from verify.machine.firmware import Firmware
from verify.medium import Medium
from verify.verdict import ProductFailure

# UEFI specification 2.10, 3.5.1.1: what firmware starts from removable media.
FIRST_LOADER = PurePosixPath("/EFI/BOOT/BOOTX64.EFI")
_ASPECT = Aspect.EFI_IMAGE
_ONLY = frozenset({Firmware.UEFI})
# The name that shim has compiled in (DEFAULT_LOADER of rhboot/shim's Makefile), as UEFI spells it: UTF-16.
_SECOND_LOADER = "grubx64.efi"
_TIMEOUT_SECONDS = 60
_FAT_MAGIC_AT, _FAT_MAGIC = 510, b"\x55\xaa"


@dataclass(frozen=True)
class EfiImage:
    """The files of the image, and the grub.cfgs among them."""

    files: tuple[EfiFile, ...] = ()
    grub_cfgs: tuple[tuple[PurePosixPath, GrubCfg], ...] = ()


def audit_efi_image(raw: RawMedium, medium: Medium, el_torito: tuple[ElToritoEntry, ...], ledger: Ledger) -> EfiImage:
    """Reads every file of the image and compares it with the ISO file system's own copy, where it has one."""
    entry = bootable_entry(el_torito, Firmware.UEFI)
    if entry is None:
        ledger.cannot_judge(_ASPECT, "the boot catalogue has no entry for UEFI", Aspect.BOOT_CATALOGUE_UEFI)
        return EfiImage()
    with ledger.judging(_ASPECT, fatal_for=_ONLY), tempfile.TemporaryDirectory(prefix="mic-audit-") as directory:
        contents = _contents(raw, entry, Path(directory))
        _judge_first_loader(contents, ledger)
        _judge_what_it_loads(contents, medium, ledger)
        _compare(contents, medium, ledger)
        files = tuple(
            EfiFile(str(path), len(data), hashlib.sha256(data).hexdigest(), machine_of(data))
            for path, data in contents.items()
        )
        ledger.saw(_ASPECT, f"{len(files)} files, {sum(file.size for file in files)} bytes")
        cfgs = tuple(
            (path, GrubCfg.parse(data.decode(errors="replace")))
            for path, data in contents.items()
            if path.name.lower() == "grub.cfg"
        )
        return EfiImage(files, cfgs)
    return EfiImage()


def _contents(raw: RawMedium, entry: ElToritoEntry, directory: Path) -> dict[PurePosixPath, bytes]:
    require("mcopy")
    offset = entry.lba * CD_SECTOR_BYTES
    if raw.read(offset + _FAT_MAGIC_AT, 2) != _FAT_MAGIC:
        raise ProductFailure(f"the EFI image at sector {entry.lba} is no FAT")
    try:
        run("mcopy", "-s", "-n", "-i", f"{raw.path.absolute()}@@{offset}", "::/", directory, timeout=_TIMEOUT_SECONDS)
    except ProgramFailed as error:
        raise ProductFailure(f"the EFI image cannot be read: {error.completed.complaint}") from error
    return {
        PurePosixPath("/", path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _judge_first_loader(contents: dict[PurePosixPath, bytes], ledger: Ledger) -> None:
    found = [data for path, data in contents.items() if str(path).lower() == str(FIRST_LOADER).lower()]
    if not found:
        ledger.found(_ASPECT, f"the EFI image has no {FIRST_LOADER}", _ONLY)
    elif problem := problem_of_program(found[0]):
        ledger.found(_ASPECT, f"{FIRST_LOADER} of the EFI image {problem}", _ONLY)
    for path, data in contents.items():
        is_other = path.suffix.lower() == ".efi" and str(path).lower() != str(FIRST_LOADER).lower()
        if is_other and (problem := problem_of_program(data)):
            ledger.found(_ASPECT, f"{path} of the EFI image {problem}")


def _judge_what_it_loads(contents: dict[PurePosixPath, bytes], medium: Medium, ledger: Ledger) -> None:
    """A shim needs GRUB beside it; GRUB needs each grub.cfg that the ISO file system's copy of the image has."""
    present = {str(path).lower() for path in contents}
    second = str(FIRST_LOADER.with_name(_SECOND_LOADER)).lower()
    first = [data for path, data in contents.items() if str(path).lower() == str(FIRST_LOADER).lower()]
    if first and _SECOND_LOADER.encode("utf-16-le") in first[0] and second not in present:
        ledger.found(_ASPECT, f"{FIRST_LOADER} of the EFI image loads {_SECOND_LOADER}, which is not there", _ONLY)
    for path in medium.files():
        name = str(path).lower()
        if name.startswith("/efi/") and path.name.lower() == "grub.cfg" and name not in present:
            ledger.found(_ASPECT, f"the EFI image lacks {path}, which the ISO file system has")


def _compare(contents: dict[PurePosixPath, bytes], medium: Medium, ledger: Ledger) -> None:
    """Tools that write USB sticks file by file take the ISO file system's copies; firmware takes the image's."""
    on_iso = {str(path).lower(): path for path in medium.files()}
    for path, data in contents.items():
        copy = on_iso.get(str(path).lower())
        # GRUB's configuration may well differ: on the ISO file system it can be the menu itself.
        if copy is None or path.suffix.lower() != ".efi":
            continue
        if medium.digest(copy) != hashlib.sha256(data).hexdigest():
            ledger.found(_ASPECT, f"{path} of the EFI image differs from {copy} of the ISO file system")
