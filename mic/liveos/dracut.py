"""What the image's own dracut can do, found by looking at its modules."""

from __future__ import annotations

from dataclasses import dataclass

from mic.errors import UserError
from mic.kernel_arguments import KernelArguments
from mic.tree import Tree

_MODULE_DIRECTORIES = ("/usr/lib/dracut/modules.d", "/usr/share/dracut/modules.d")
_LIVE_MODULE = "dmsquash-live"


@dataclass(frozen=True)
class Dracut:
    """The dracut of the image; `live_module` is the path of its dmsquash-live module's directory."""

    program: str
    live_module: str
    overlay_argument: str | None


def find_dracut(rootfs: Tree) -> Dracut:
    """Raises `UserError` that names the package to install when dracut or dmsquash-live is missing."""
    program = next(
        (path for path in ("/usr/bin/dracut", "/usr/sbin/dracut", "/sbin/dracut") if rootfs.is_file(path)),
        None,
    )
    if program is None:
        raise UserError(
            "the image has no dracut, which mic needs to make the live initrd",
            hint="install the packages dracut and dracut-live in the image"
            + ("; they replace initramfs-tools" if rootfs.exists("/usr/sbin/mkinitramfs") else ""),
        )
    for directory in _MODULE_DIRECTORIES:
        for name in rootfs.list(directory):
            if name.lstrip("0123456789") == _LIVE_MODULE:
                path = f"{directory}/{name}"
                return Dracut(program, path, _overlay_argument(rootfs, path))
    raise UserError(
        f"the image's dracut has no module {_LIVE_MODULE}, which boots live media",
        hint="install the package dracut-live in the image",
    )


def _overlay_argument(rootfs: Tree, live_module: str) -> str | None:
    """The argument that asks for an overlayfs above the squashfs.

    dracut 049 and newer read rd.live.overlay.overlayfs in dmsquash-live-root.sh. Without it dracut 059 ends
    in an emergency shell; rd.live.overlay=1, on the other hand, is taken for a device named 1.
    """
    script = "".join(
        rootfs.read_text(f"{live_module}/{name}") for name in rootfs.list(live_module) if name.endswith(".sh")
    )
    return "rd.live.overlay.overlayfs=1" if "rd.live.overlay.overlayfs" in script else None


def live_arguments(dracut: Dracut, volume_label: str) -> KernelArguments:
    """The arguments by which this dracut finds the medium and puts an overlay above its squashfs."""
    overlay = () if dracut.overlay_argument is None else (dracut.overlay_argument,)
    return KernelArguments((f"root=live:LABEL={volume_label}", "rd.live.image", *overlay))
