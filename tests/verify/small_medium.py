"""A small medium, made without mic: all that an audit reads is there and good, and can be made wrong."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass, field
from pathlib import Path

from mic.programs import run
from tests.verify.conftest import META_DATA, NETWORK_CONFIG, USER_DATA

LABEL = "SMALL"
VERSION = "6.1.0-test-amd64"
ARGUMENTS = "'ds=nocloud;s=file://run/initramfs/live/cloud-init-data'"
LIVE_ARGUMENTS = "rd.live.image rd.live.overlay.overlayfs=1 console=tty0 console=ttyS0,115200n8"
# "testpassword", hashed by openssl passwd -6 with this salt.
HASH = "$6$saltsalt$mbY3RlXcbr.HSD2SxdkwbdUSnSi3kdLPlefrMJevVR2p5Vc4g74vdB3LPx/lccZpA7ejridnfGkIeozUuMnby0"
SHADOW = f"root:*:1::::::\ntest:{HASH}:20000:0:99999:7:::\nlocked:!:1::::::\n"
RELEASE = 'TOOL_VERSION="1.0"\nBUILD_DATE="2026-11-25T03:00:00Z"\n'
_DRIVERS = ("overlay", "squashfs", "loop", "isofs", "sr_mod", "usb-storage", "virtio_blk")
_MIB = 1 << 20


def kernel(version: str = VERSION, payload: bytes = b"\x90" * 4096) -> bytes:
    """A file with the header of an x86 kernel, and nothing that runs."""
    image = bytearray(5 * 512)
    image[0x1F1] = 4
    struct.pack_into("<I", image, 0x1F4, len(payload) // 16)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x300)
    text = f"{version} (build@host) #1 SMP\0".encode()
    image[0x500 : 0x500 + len(text)] = text
    return bytes(image) + payload


def cpio(files: dict[str, bytes]) -> bytes:
    """A "newc" archive (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel)."""
    archive = b""
    for name, content in {**files, "TRAILER!!!": b""}.items():
        encoded = name.encode() + b"\0"
        fields = (0, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        archive += b"070701" + b"".join(b"%08X" % number for number in fields) + encoded
        archive += b"\0" * (-len(archive) % 4)
        archive += content + b"\0" * (-len(content) % 4)
    return archive


def initrd_files(version: str = VERSION, drivers: tuple[str, ...] = _DRIVERS) -> dict[str, bytes]:
    """What a live initrd of dracut is known by."""
    return {
        "usr/lib/dracut/modules.txt": b"systemd\ndmsquash-live\noverlayfs\n",
        "usr/lib/dracut/dracut-059-4": b"",
        "usr/sbin/dmsquash-live-root": b"getargbool 0 rd.live.overlay.overlayfs && overlayfs=yes\n",
        **{f"usr/lib/modules/{version}/kernel/drivers/{driver}.ko": b"" for driver in drivers},
    }


def initrd(files: dict[str, bytes] | None = None) -> bytes:
    """An archive that lies bare, as CPU microcode does, and one that is packed."""
    early = cpio({"kernel/x86/microcode/GenuineIntel.bin": b"\1" * 100})
    return early + gzip.compress(cpio(initrd_files() if files is None else files), mtime=0)


def efi_program(machine: int = 0x8664) -> bytes:
    """A file with the headers of a UEFI application, and nothing that runs."""
    image = bytearray(1024)
    image[:2] = b"MZ"
    struct.pack_into("<I", image, 60, 64)
    image[64:68] = b"PE\0\0"
    struct.pack_into("<HH12xH", image, 68, machine, 1, 240)
    struct.pack_into("<H", image, 88, 0x20B)
    struct.pack_into("<H", image, 88 + 68, 10)
    struct.pack_into("<8sIIII", image, 88 + 240, b".text", 512, 512, 512, 512)
    return bytes(image)


def stub(label: str) -> str:
    """The grub.cfg of the EFI image."""
    return f"search --no-floppy --set=root --label {label}\nconfigfile ($root)/boot/grub/grub.cfg\n"


@dataclass
class SmallMedium:
    """What goes onto the medium; a test changes one thing before it calls `write`."""

    label: str = LABEL
    searched: str = LABEL
    root: str = f"root=live:LABEL={LABEL}"
    live: str = LIVE_ARGUMENTS
    arguments: str = ARGUMENTS
    firmwares: tuple[str, ...] = ("bios", "uefi")
    boot_info_table: bool = True
    checksum: bool = True
    rootfs: dict[str, str] = field(
        default_factory=lambda: {
            "etc/hostname": "configured\n",
            "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 configured\n",
            "etc/passwd": "root:x:0:0::/root:/bin/sh\ntest:x:1000:27::/home/test:/bin/bash\n",
            "etc/group": "root:x:0:\nadm:x:4:test\nsudo:x:27:\n",
            "etc/shadow": SHADOW,
            "etc/motd": "hello\n",
            "etc/machine-id": "",
            "etc/mariner-customizer-release": RELEASE,
            f"lib/modules/{VERSION}/modules.dep": "kernel/drivers/sr_mod.ko: kernel/drivers/cdrom.ko\n",
            f"lib/modules/{VERSION}/modules.builtin": "kernel/drivers/cdrom/cdrom.ko\nkernel/drivers/ata/ahci.ko\n",
        }
    )
    links: dict[str, str] = field(default_factory=dict)
    # Mode and owner's UID of what lies in the rootfs, where they are not 0644 (0755 of a directory) and root's.
    owned: dict[str, tuple[int, int]] = field(default_factory=dict)
    efi: dict[str, bytes] = field(
        default_factory=lambda: {"EFI/BOOT/BOOTX64.EFI": efi_program(), "EFI/BOOT/grub.cfg": stub(LABEL).encode()}
    )
    files: dict[str, str | bytes] = field(
        default_factory=lambda: {
            "boot/vmlinuz": kernel(),
            "boot/initrd.img": initrd(),
            "EFI/BOOT/BOOTX64.EFI": efi_program(),
            "cloud-init-data/user-data": USER_DATA,
            "cloud-init-data/meta-data": META_DATA,
            "cloud-init-data/network-config": NETWORK_CONFIG,
        }
    )

    def write(self, directory: Path) -> Path:
        """Writes the ISO below `directory` and returns its path."""
        tree, rootfs, efi = directory / "tree", directory / "rootfs", directory / "efi"
        _write_all(tree, self.files)
        _write_all(rootfs, self.rootfs)
        _write_all(efi, self.efi)
        for name, target in self.links.items():
            (rootfs / name).parent.mkdir(parents=True, exist_ok=True)
            (rootfs / name).symlink_to(target)
        grub = tree / "boot/grub/grub.cfg"
        grub.parent.mkdir(parents=True, exist_ok=True)
        grub.write_text(
            f"search --no-floppy --set=root --label {self.searched}\n"
            f"menuentry 'live' {{\n  linux /boot/vmlinuz {self.root} {self.live} {self.arguments}\n"
            "  initrd /boot/initrd.img\n}\n"
        )
        (tree / "LiveOS").mkdir(exist_ok=True)
        squashfs = tree / "LiveOS/squashfs.img"
        # Nobody but root could set these in the tree; -all-root would win over them.
        owned = [f"{name} m {mode:o} {uid} {uid}" for name, (mode, uid) in self.owned.items()]
        owners = [word for one in owned for word in ("-p", one)] or ["-all-root"]
        run("mksquashfs", rootfs, squashfs, "-noappend", "-quiet", "-no-progress", *owners, "-comp", "gzip")
        iso = self._master(tree, efi, directory / "small.iso")
        if self.checksum:
            run("implantisomd5", "--force", iso)
        return iso

    def _master(self, tree: Path, efi: Path, iso: Path) -> Path:
        boot: list[str | Path] = []
        if "bios" in self.firmwares:
            (tree / "boot/bios.img").write_bytes(b"\xeb\xfe" * 2048)
            boot += ["-b", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4"]
            boot += ["-boot-info-table"] if self.boot_info_table else []
        image, record = iso.with_suffix(".efi"), iso.with_suffix(".mbr")
        record.write_bytes(b"\xfa" * 440 + bytes(72))
        _write_fat(efi, image)
        boot += ["--grub2-mbr" if "bios" in self.firmwares else "-G", record, "-partition_offset", "16"]
        boot += ["-append_partition", "2", "0xef", image, "-appended_part_as_gpt"]
        if "uefi" in self.firmwares:
            boot += ["-eltorito-alt-boot"] if "bios" in self.firmwares else []
            boot += ["-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]
        run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-uid", "0", "-gid", "0",
            "-V", self.label, "-o", iso, *boot, tree)  # fmt: skip
        return iso


def _write_all(top: Path, files: dict[str, str] | dict[str, bytes] | dict[str, str | bytes]) -> None:
    top.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o644)


def _write_fat(tree: Path, image: Path) -> None:
    with image.open("wb") as file:
        file.truncate(4 * _MIB)
    run("mkfs.fat", "-F", "16", "-s", "1", image)
    if content := sorted(tree.iterdir()):
        run("mcopy", "-s", "-i", image, *content, "::/")
