"""A small medium, made without mic: all that can be seen without booting is there, and can be made wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mic.programs import run
from tests.verify.conftest import META_DATA, NETWORK_CONFIG, USER_DATA

LABEL = "SMALL"
ARGUMENTS = "'ds=nocloud;s=file://run/initramfs/live/cloud-init-data'"
# "testpassword", hashed by openssl passwd -6 with this salt.
HASH = "$6$saltsalt$mbY3RlXcbr.HSD2SxdkwbdUSnSi3kdLPlefrMJevVR2p5Vc4g74vdB3LPx/lccZpA7ejridnfGkIeozUuMnby0"
SHADOW = f"root:*:1::::::\ntest:{HASH}:20000:0:99999:7:::\nlocked:!:1::::::\n"


@dataclass
class SmallMedium:
    """What goes onto the medium; a test changes one thing before it calls `write`."""

    label: str = LABEL
    searched: str = LABEL
    root: str = f"root=live:LABEL={LABEL}"
    arguments: str = ARGUMENTS
    firmwares: tuple[str, ...] = ("bios", "uefi")
    rootfs: dict[str, str] = field(
        default_factory=lambda: {
            "etc/hostname": "configured\n",
            "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 configured\n",
            "etc/passwd": "root:x:0:0::/root:/bin/sh\ntest:x:1000:27::/home/test:/bin/bash\n",
            "etc/group": "root:x:0:\nadm:x:4:test\nsudo:x:27:\n",
            "etc/shadow": SHADOW,
            "etc/motd": "hello\n",
        }
    )
    files: dict[str, str] = field(
        default_factory=lambda: {
            "boot/vmlinuz": "kernel",
            "boot/initrd.img": "initrd",
            "cloud-init-data/user-data": USER_DATA,
            "cloud-init-data/meta-data": META_DATA,
            "cloud-init-data/network-config": NETWORK_CONFIG,
        }
    )

    def write(self, directory: Path) -> Path:
        """Writes the ISO below `directory` and returns its path."""
        tree, rootfs = directory / "tree", directory / "rootfs"
        for top, files in ((rootfs, self.rootfs), (tree, self.files)):
            for name, text in files.items():
                path = top / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                path.chmod(0o644)
        grub = tree / "boot/grub/grub.cfg"
        grub.parent.mkdir(parents=True, exist_ok=True)
        grub.write_text(
            f"search --no-floppy --set=root --label {self.searched}\n"
            f"menuentry 'live' {{\n  linux /boot/vmlinuz {self.root} rd.live.image {self.arguments}\n"
            "  initrd /boot/initrd.img\n}\n"
        )
        (tree / "LiveOS").mkdir(exist_ok=True)
        squashfs = tree / "LiveOS/squashfs.img"
        run("mksquashfs", rootfs, squashfs, "-noappend", "-quiet", "-no-progress", "-all-root", "-comp", "gzip")
        return self._master(tree, directory / "small.iso")

    def _master(self, tree: Path, iso: Path) -> Path:
        boot: list[str | Path] = []
        for firmware in self.firmwares:
            image = tree / f"boot/{firmware}.img"
            image.write_bytes(b"\0" * 2048)
            boot += ["-eltorito-alt-boot"] if boot else []
            boot += ["-b" if firmware == "bios" else "-e", f"boot/{firmware}.img", "-no-emul-boot"]
        run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-uid", "0", "-gid", "0",
            "-V", self.label, "-o", iso, *boot, tree)  # fmt: skip
        return iso
