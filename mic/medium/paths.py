"""Where the tool's own files lie on the medium."""

from __future__ import annotations

from pathlib import PurePosixPath

KERNEL = PurePosixPath("/boot/vmlinuz")
INITRD = PurePosixPath("/boot/initrd.img")
# dmsquash-live's defaults of rd.live.dir and rd.live.squashimg (dracut.cmdline(7)).
SQUASHFS = PurePosixPath("/LiveOS/squashfs.img")
GRUB_CFG = PurePosixPath("/boot/grub/grub.cfg")
EL_TORITO_BIOS = PurePosixPath("/boot/grub/eltorito.img")
EL_TORITO_CATALOGUE = PurePosixPath("/boot/grub/boot.cat")
EFI = PurePosixPath("/EFI")

OWN_FILES = (KERNEL, INITRD, SQUASHFS, GRUB_CFG, EL_TORITO_BIOS, EL_TORITO_CATALOGUE)
# Where dracut mounts the medium; it stays mounted after switch-root.
MOUNT_POINT = PurePosixPath("/run/initramfs/live")


def owner_of(path: PurePosixPath) -> PurePosixPath | None:
    """The file or directory of the tool's own with which `path` on the medium would collide, if any.

    Names are compared without regard to case: firmware reads the medium as FAT does.
    """
    folded = PurePosixPath(str(path).lower())
    for own in (*OWN_FILES, EFI):
        other = PurePosixPath(str(own).lower())
        if folded == other or (other in folded.parents and own != EFI):
            return own
        if folded in other.parents:
            return own
        if own == EFI and (other / "boot") in folded.parents:
            return own
    return None
