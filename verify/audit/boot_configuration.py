"""Every grub.cfg, the volume label they look for, and the kernel arguments they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from verify.audit.facts import GrubCfgFacts
from verify.audit.ledger import EVERY_FIRMWARE, Ledger
from verify.audit.model import Aspect
from verify.grub_cfg import GrubCfg
from verify.machine.firmware import Firmware
from verify.medium import Medium

ON_ISO, IN_EFI_IMAGE = "ISO", "EFI image"
_ROOT = "root=live:"
# dmsquash-live's parse-dmsquash-live.sh takes both for the volume label.
_BY_LABEL = ("LABEL=", "CDLABEL=")
_TRUE = frozenset({"", "1", "yes", "on", "true", "y"})
_OVERLAYFS = "rd.live.overlay.overlayfs"
_NAMED_PLACES = 2


def read_grub_cfgs(medium: Medium, in_efi_image: Iterable[tuple[PurePosixPath, GrubCfg]]) -> tuple[GrubCfgFacts, ...]:
    """All of the medium's."""
    on_iso = (
        (path, GrubCfg.parse(medium.read(path).decode(errors="replace")))
        for path in medium.files()
        if path.name.lower() == "grub.cfg"
    )
    return (
        *(GrubCfgFacts(f"{ON_ISO} {path}", cfg.searched_labels, cfg.linux) for path, cfg in on_iso),
        *(GrubCfgFacts(f"{IN_EFI_IMAGE} {path}", cfg.searched_labels, cfg.linux) for path, cfg in in_efi_image),
    )


def audit_volume_label(label: str, cfgs: Sequence[GrubCfgFacts], arguments: Sequence[str], ledger: Ledger) -> None:
    """One label everywhere. GRUB under BIOS has the CD it came from as its root even when the search fails."""
    aspect = Aspect.VOLUME_LABEL
    if not label:
        ledger.found(aspect, "the medium has no volume label")
    for place_kind in (ON_ISO, IN_EFI_IMAGE):
        others: dict[str, list[str]] = {}
        mine = [cfg for cfg in cfgs if cfg.place.startswith(place_kind)]
        for cfg in mine:
            for other in set(cfg.searched) - {label}:
                others.setdefault(other, []).append(cfg.place)
        for other, places in others.items():
            all_of_efi = place_kind == IN_EFI_IMAGE and len(places) == len(mine)
            fatal = frozenset({Firmware.UEFI}) if all_of_efi else frozenset[Firmware]()
            text = f"the volume label is {label!r}, but search in {_in_short(places)} has {other}"
            ledger.found(aspect, text, fatal)
    roots = [value for value in _labels_of_root(arguments)]
    for other in dict.fromkeys(root for root in roots if root != label):
        ledger.found(aspect, f"the volume label is {label!r}, but root=live:LABEL= has {other}", EVERY_FIRMWARE)
    if not roots:
        ledger.found(aspect, f"the volume label is {label!r}, but the linux line has no root=live:LABEL=")
    ledger.saw(aspect, label)


def _in_short(places: Sequence[str]) -> str:
    """The first of the places that say the same, and how many more do: a medium has some twenty grub.cfgs."""
    more = len(places) - _NAMED_PLACES
    return " and ".join([*places[:_NAMED_PLACES], *([f"{more} more"] if more > 0 else [])])


def _labels_of_root(arguments: Sequence[str]) -> list[str]:
    values = [argument.removeprefix(_ROOT) for argument in arguments if argument.startswith(_ROOT)]
    return [value.removeprefix(key) for value in values for key in _BY_LABEL if value.startswith(key)]


def audit_live_arguments(arguments: Sequence[str], live_script: str | None, bare_rootfs: bool, ledger: Ledger) -> None:
    """What dracut's dmsquash-live needs to hear (dracut.cmdline(7), "Booting live images").

    `live_script` is the initrd's dmsquash-live-root, which tells what this dracut knows; `bare_rootfs`: the
    squashfs holds the rootfs itself and no image of it.
    """
    aspect = Aspect.LIVE_ARGUMENTS
    roots = [argument for argument in arguments if argument.startswith("root=")]
    if not roots:
        ledger.found(aspect, "the kernel arguments have no root=", EVERY_FIRMWARE)
    elif not roots[-1].startswith(_ROOT):
        ledger.found(aspect, f"the kernel arguments have {roots[-1]}, which is no live root", EVERY_FIRMWARE)
    if "rd.live.image" not in arguments:
        ledger.found(aspect, "the kernel arguments lack rd.live.image")
    _judge_overlay(arguments, live_script, bare_rootfs, ledger)
    _judge_console(arguments, ledger)
    ledger.saw(aspect, " ".join(arguments))


def _judge_overlay(arguments: Sequence[str], live_script: str | None, bare_rootfs: bool, ledger: Ledger) -> None:
    aspect = Aspect.LIVE_ARGUMENTS
    overlays = [a.partition("=")[2] for a in arguments if a.startswith("rd.live.overlay=")]
    if overlays and overlays[-1] != "none":
        # dracut 059 takes any value for a device and waits for it at a question nobody answers.
        text = f"rd.live.overlay={overlays[-1]} asks for an overlay that is kept on a disk"
        ledger.found(aspect, text)
    if live_script is None or not bare_rootfs or _OVERLAYFS not in live_script:
        return
    values = [a.partition("=")[2].lower() for a in arguments if a.partition("=")[0] == _OVERLAYFS]
    if not values or values[-1] not in _TRUE:
        ledger.found(aspect, f"the squashfs is the rootfs itself: this dracut needs {_OVERLAYFS}=1 for it")


def _judge_console(arguments: Sequence[str], ledger: Ledger) -> None:
    consoles = [argument.removeprefix("console=") for argument in arguments if argument.startswith("console=")]
    if not any(console.startswith("ttyS") for console in consoles):
        text = "no console=ttyS among the kernel arguments: a machine without a screen looks dead"
        ledger.found(Aspect.LIVE_ARGUMENTS, text)
