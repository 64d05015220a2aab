"""The drivers in an initrd against those that its kernel has: what is missing, and for which machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verify.audit.facts import UnreachableMachine
from verify.audit.ledger import EVERY_FIRMWARE, Ledger
from verify.audit.model import Aspect
from verify.machine.spec import Attachment

# From the medium's own file system to the root: without one of these nothing boots.
_ESSENTIAL = ("overlay", "squashfs", "loop", "isofs")


@dataclass(frozen=True)
class KernelDrivers:
    """What there is of one kernel, by names with underscores.

    `in_initrd`: the modules that the initrd has of it. `modules` and `builtin`: all that can be loaded, and all that
    are part of the kernel itself, by the rootfs's modules.dep and modules.builtin; None where it has no such list.
    """

    in_initrd: frozenset[str]
    modules: frozenset[str] | None
    builtin: frozenset[str] | None

    def is_ready(self, driver: str) -> bool:
        """Whether the initrd can use it."""
        return driver in self.in_initrd or driver in (self.builtin or ())

    def has(self, driver: str) -> bool:
        """Whether the kernel was made with it, as far as is known."""
        return self.is_ready(driver) or driver in (self.modules or ())

    @property
    def is_known(self) -> bool:
        """Whether a driver that is nowhere is one that the kernel was made without."""
        return self.modules is not None and self.builtin is not None


@dataclass(frozen=True)
class _Machine:
    """One kind of machine, and what it takes to find the medium there; the first that the kernel has of several names.

    `attachment` is that of the harness's machine of this kind, None where it has none. `if_made`: what it takes as
    well where the kernel was made with it, and can do without where it was not.
    """

    name: str
    attachment: Attachment | None
    drivers: tuple[tuple[str, ...], ...]
    if_made: tuple[str, ...] = ()


_CD = (("sr_mod",), ("cdrom",))
# xhci_pci was split from xhci_hcd in Linux 3.18, ehci_pci from ehci_hcd in 3.8.
_XHCI, _EHCI = (("xhci_pci", "xhci_hcd"), ("xhci_hcd",)), (("ehci_pci", "ehci_hcd"), ("ehci_hcd",))
_STICK = (("usb_storage",), ("sd_mod",))
_MACHINES = (
    _Machine("a CD on SATA", Attachment.CDROM, (*_CD, ("ahci",))),
    _Machine("a CD on IDE", None, (*_CD, ("ata_piix",))),
    _Machine("a CD on virtio-scsi", Attachment.SCSI_CDROM, (*_CD, ("virtio_pci",), ("virtio_scsi",))),
    _Machine("a USB stick", Attachment.USB_STICK, (*_STICK, *_XHCI)),
    _Machine("a USB stick on USB 2", None, (*_STICK, *_EHCI)),
    # usb_storage leaves devices that speak UAS to uas where the kernel was made with it, else serves them itself.
    _Machine("a USB disk that speaks UAS", None, (*_STICK, *_XHCI), if_made=("uas",)),
    _Machine("a virtio disk", Attachment.VIRTIO_DISK, (("virtio_pci",), ("virtio_blk",))),
    _Machine("a SATA disk", Attachment.SATA_DISK, (("sd_mod",), ("ahci",))),
)


def audit_drivers(drivers: KernelDrivers, ledger: Ledger) -> tuple[UnreachableMachine, ...]:
    """Judges the initrd; returns the machines for which the kernel was made without a driver, as cloud kernels are.

    Those are as the kernel's maker wants them, and no finding. What the kernel has and the initrd has not is one, if
    it would open a machine for which nothing else is missing: the driver of a USB controller alone opens none.
    """
    aspect = Aspect.INITRD_DRIVERS
    unknown = _judge_essential(drivers, ledger)
    unreachable = tuple(_unreachable(drivers)) if drivers.is_known else ()
    left_out: dict[str, None] = {}
    shut: list[str] = []
    for machine in _MACHINES:
        if missing := _left_out(machine, drivers):
            left_out.update(dict.fromkeys(missing))
            shut.append(machine.name)
    if left_out:
        what, where = ", ".join(left_out), ", ".join(shut)
        ledger.found(aspect, f"the initrd lacks {what}, which the kernel has as modules: no boot from {where}")
    seen = [", ".join(name for name in _all_names() if drivers.is_ready(name))]
    seen += [f"{', '.join(unknown)} may be built in: the rootfs has no modules.builtin"] if unknown else []
    seen += [str(one) for one in unreachable]
    ledger.saw(aspect, "; ".join(seen))
    return unreachable


def _judge_essential(drivers: KernelDrivers, ledger: Ledger) -> tuple[str, ...]:
    """Returns those of which nobody can say whether they are there."""
    missing = [driver for driver in _ESSENTIAL if not drivers.is_ready(driver)]
    as_modules = [driver for driver in missing if drivers.has(driver)]
    if as_modules:
        ledger.found(Aspect.INITRD_DRIVERS, f"the initrd lacks {', '.join(as_modules)}", EVERY_FIRMWARE)
    nowhere = [driver for driver in missing if not drivers.has(driver)]
    if not drivers.is_known:
        return tuple(nowhere)
    if nowhere:
        text = f"the initrd lacks {', '.join(nowhere)}, which the kernel has neither built in nor as a module"
        ledger.found(Aspect.INITRD_DRIVERS, text, EVERY_FIRMWARE)
    return ()


def _wanted(machine: _Machine, drivers: KernelDrivers) -> list[str | None]:
    """Of each driver the name that this kernel has for it; None where it has none."""
    return [next((name for name in names if drivers.has(name)), None) for names in machine.drivers]


def _left_out(machine: _Machine, drivers: KernelDrivers) -> list[str]:
    wanted = _wanted(machine, drivers)
    if None in wanted:
        return []
    wanted += [name for name in machine.if_made if drivers.has(name)]
    return [name for name in wanted if name is not None and not drivers.is_ready(name)]


def _all_names() -> tuple[str, ...]:
    of_machines = [name for machine in _MACHINES for names in (*machine.drivers, machine.if_made) for name in names]
    return tuple(dict.fromkeys((*_ESSENTIAL, *of_machines)))


def _unreachable(drivers: KernelDrivers) -> Iterator[UnreachableMachine]:
    for machine in _MACHINES:
        wanted = _wanted(machine, drivers)
        lacking = tuple(names[0] for names, found in zip(machine.drivers, wanted, strict=True) if found is None)
        if lacking:
            yield UnreachableMachine(machine.name, machine.attachment, lacking)
