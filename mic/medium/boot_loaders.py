"""The image's own signed shim and GRUB for UEFI, and GRUB for BIOS: where they are found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mic.errors import UserError
from mic.image.disk import Disk
from mic.image.layout import ImageLayout
from mic.image.partitions import Partition
from mic.programs import ProgramFailed, require, run
from mic.rootfs.sandbox import Sandbox
from mic.tree import Tree

_FIRST_LOADER = "BOOTX64.EFI"
_SECOND_LOADER = "grubx64.efi"
_MOK_MANAGER = "mmx64.efi"
# Signed loaders as packages ship them, for images whose ESP is empty: (shim, GRUB, MOK manager).
_PACKAGED = (
    (
        "/usr/lib/shim/shimx64.efi.signed",
        "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
        "/usr/lib/shim/mmx64.efi.signed",
    ),
    (
        "/usr/lib/shim/shimx64.efi.signed.latest",
        "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
        "/usr/lib/shim/mmx64.efi",
    ),
)
# The directories in which a GRUB may have been told to look for its grub.cfg: its own vendor's in the ESP,
# beside itself (Azure Linux's "noprefix" build), /boot/grub (Debian's CD build), /boot/grub2 (RPM families).
_COMMON_PREFIXES = ("EFI/BOOT", "boot/grub", "boot/grub2")
_KNOWN_VENDORS = ("debian", "ubuntu", "fedora", "redhat", "centos", "azurelinux", "mariner")

_BIOS_DIRECTORY = "/usr/lib/grub/i386-pc"
_BIOS_IMAGE_SOURCES = ("cdboot.img", "kernel.img", "boot_hybrid.img", "moddep.lst")
# What finds, shows and starts the one menu entry, all inside the core image: the medium carries no modules.
_BIOS_MODULES = (
    "biosdisk", "iso9660", "part_gpt", "part_msdos", "normal", "configfile", "search", "search_label",
    "linux", "boot", "echo", "test", "serial", "terminal", "minicmd", "ls", "cat", "reboot", "halt", "all_video",
)  # fmt: skip


@dataclass(frozen=True)
class EfiLoaders:
    """Files for EFI/BOOT by name, and the directories in which their GRUB may look for a grub.cfg."""

    files: dict[str, Path]
    prefixes: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class BiosLoaders:
    """The El Torito image and the master boot record for the same GRUB."""

    el_torito: Path
    master_boot_record: Path
    origin: str


def collect_efi_loaders(image: ImageLayout, rootfs: Tree, workspace: Path) -> EfiLoaders:
    """Takes the loaders out of the image's ESP, else out of its packages; raises `UserError` without any."""
    directory = workspace / "efi-loaders"
    directory.mkdir(parents=True)
    for partition in image.partitions:
        if partition.is_esp and (found := _from_esp(image.disk, partition, directory)) is not None:
            return found
    for packaged in _PACKAGED:
        if all(rootfs.is_file(path) for path in packaged[:2]):
            names = (_FIRST_LOADER, _SECOND_LOADER, _MOK_MANAGER)
            present = [(name, path) for name, path in zip(names, packaged, strict=True) if rootfs.is_file(path)]
            for name, path in present:
                rootfs.copy_out(path, directory / name)
            files = {name: directory / name for name, _ in present}
            return EfiLoaders(files, _prefixes(()), "the image's shim and GRUB packages")
    raise UserError(
        "the image has no UEFI boot loader, neither in an EFI system partition nor as a package",
        where=image.disk.image,
        hint="install shim-signed and grub-efi-amd64-signed in the image",
    )


def _from_esp(disk: Disk, esp: Partition, directory: Path) -> EfiLoaders | None:
    require("mdir", "mcopy")
    drive = f"{disk.flat}@@{esp.start}"
    try:
        listing = run("mdir", "-/", "-b", "-i", drive, "::/EFI", check=False).text
    except ProgramFailed as error:
        raise UserError(f"the EFI system partition cannot be read: {error}", where=disk.image) from error
    found = {PurePosixPath(line.removeprefix("::")) for line in listing.splitlines() if not line.endswith("/")}
    by_directory: dict[PurePosixPath, dict[str, PurePosixPath]] = {}
    for path in found:
        by_directory.setdefault(path.parent, {})[path.name.lower()] = path
    for names in _by_preference(by_directory):
        first = names.get("shimx64.efi") or names.get("bootx64.efi")
        second = names.get("grubx64.efi")
        if first is None or second is None:
            continue
        wanted: dict[str, PurePosixPath | None] = {
            _FIRST_LOADER: first,
            _SECOND_LOADER: second,
            _MOK_MANAGER: names.get("mmx64.efi"),
        }
        files = {}
        for name, source in wanted.items():
            if source is not None:
                run("mcopy", "-n", "-i", drive, f"::{source}", directory / name)
                files[name] = directory / name
        vendors = tuple(sorted({path.parts[2] for path in found if len(path.parts) > 3}))
        return EfiLoaders(files, _prefixes(vendors), f"the image's EFI system partition, {first.parent}")
    return None


def _by_preference(
    by_directory: dict[PurePosixPath, dict[str, PurePosixPath]],
) -> list[dict[str, PurePosixPath]]:
    """A vendor's directory before EFI/BOOT: there the first loader is known by its own name, shimx64.efi."""
    return [
        names for _, names in sorted(by_directory.items(), key=lambda item: (item[0].name.upper() == "BOOT", item[0]))
    ]


def _prefixes(vendors: tuple[str, ...]) -> tuple[str, ...]:
    names = {vendor.lower(): vendor for vendor in (*_KNOWN_VENDORS, *vendors) if vendor.upper() != "BOOT"}
    return (*_COMMON_PREFIXES, *(f"EFI/{vendor}" for vendor in names.values()))


def make_bios_loaders(rootfs: Tree, sandbox: Sandbox, workspace: Path) -> BiosLoaders:
    """Builds the El Torito image from the image's own GRUB, else from the host's.

    Raises `UserError` when neither has GRUB's i386-pc files.
    """
    directory = workspace / "bios-loaders"
    directory.mkdir(parents=True)
    el_torito, record = directory / "eltorito.img", directory / "boot_hybrid.img"
    own = all(rootfs.is_file(f"{_BIOS_DIRECTORY}/{name}") for name in _BIOS_IMAGE_SOURCES)
    if own and (program := _grub_mkimage(rootfs)) is not None:
        output = "/run/mic"
        sandbox.run(
            program,
            *_mkimage_arguments(f"{output}/{el_torito.name}"),
            read_only=True,
            binds={directory: output},
        )
        rootfs.copy_out(f"{_BIOS_DIRECTORY}/{record.name}", record)
        return BiosLoaders(el_torito, record, "the image's GRUB")
    host = Path(_BIOS_DIRECTORY)
    if not all((host / name).is_file() for name in _BIOS_IMAGE_SOURCES):
        raise UserError(
            "neither the image nor this host has GRUB for BIOS (/usr/lib/grub/i386-pc)",
            hint="apt-get install grub-pc-bin",
        )
    require("grub-mkimage")
    run("grub-mkimage", *_mkimage_arguments(str(el_torito)))
    record.write_bytes((host / record.name).read_bytes())
    return BiosLoaders(el_torito, record, "this host's GRUB")


def _grub_mkimage(rootfs: Tree) -> str | None:
    return next((path for path in ("/usr/bin/grub-mkimage", "/usr/bin/grub2-mkimage") if rootfs.is_file(path)), None)


def _mkimage_arguments(output: str) -> tuple[str, ...]:
    return ("-O", "i386-pc-eltorito", "-d", _BIOS_DIRECTORY, "-p", "/boot/grub", "-o", output, *_BIOS_MODULES)
