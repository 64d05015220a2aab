"""A driver that is missing in an initrd is a finding only where a machine needs it that the kernel could serve."""

from __future__ import annotations

import pytest

from tests.verify.small_medium import VERSION, SmallMedium
from tests.verify_audit.conftest import Audited
from verify.audit import Aspect
from verify.audit.drivers import KernelDrivers, audit_drivers
from verify.audit.facts import UnreachableMachine
from verify.audit.ledger import EVERY_FIRMWARE, Ledger
from verify.audit.text import as_text
from verify.machine.spec import Attachment

ESSENTIAL = frozenset({"overlay", "squashfs", "loop", "isofs"})
ALL = ESSENTIAL | {
    "sr_mod", "cdrom", "sd_mod", "ahci", "ata_piix", "usb_storage", "uas", "xhci_pci", "xhci_hcd", "ehci_pci",
    "ehci_hcd", "virtio_pci", "virtio_blk", "virtio_scsi",
}  # fmt: skip
# As Debian's cloud kernel: virtio, neither SATA nor USB storage, but a USB controller.
CLOUD = ALL - {"ahci", "ata_piix", "usb_storage", "uas", "ehci_pci", "ehci_hcd"}
NOTHING: frozenset[str] = frozenset()


def judged(drivers: KernelDrivers) -> tuple[list[str], tuple[UnreachableMachine, ...], str]:
    ledger = Ledger()
    unreachable = audit_drivers(drivers, ledger)
    (seen,) = ledger.seen
    return [finding.text for finding in ledger.findings], unreachable, seen.text


@pytest.mark.parametrize("built_in", [NOTHING, ALL, frozenset({"virtio_pci", "cdrom", "xhci_hcd", "loop"})])
def test_what_is_built_in_need_not_be_in_the_initrd(built_in: frozenset[str]) -> None:
    findings, unreachable, _ = judged(KernelDrivers(ALL - built_in, ALL - built_in, built_in))
    assert (findings, unreachable) == ([], ())


def test_a_kernel_that_has_everything_built_in_needs_no_modules_at_all() -> None:
    assert judged(KernelDrivers(NOTHING, NOTHING, ALL))[:2] == ([], ())


@pytest.mark.parametrize("driver", sorted(ALL - ESSENTIAL))
def test_a_driver_that_the_kernel_has_and_the_initrd_lacks_is_found_and_so_is_what_does_not_boot(driver: str) -> None:
    (finding,), unreachable, _ = judged(KernelDrivers(ALL - {driver}, ALL, NOTHING))
    assert f"the initrd lacks {driver}, which the kernel has as modules: no boot from a " in finding
    assert unreachable == ()


@pytest.mark.parametrize("driver", sorted(ESSENTIAL))
def test_a_driver_without_which_nothing_boots_is_fatal_wherever_it_is_missing(driver: str) -> None:
    for modules in (ALL, ALL - {driver}):
        ledger = Ledger()
        audit_drivers(KernelDrivers(ALL - {driver}, modules, NOTHING), ledger)
        (finding,) = ledger.findings
        assert driver in finding.text
        assert finding.fatal_for == EVERY_FIRMWARE


def test_a_cloud_kernel_is_as_its_maker_wants_it_and_what_it_boots_from_is_said() -> None:
    findings, unreachable, seen = judged(KernelDrivers(CLOUD, CLOUD, NOTHING))
    assert findings == []
    assert {one.attachment for one in unreachable} == {
        Attachment.CDROM, Attachment.USB_STICK, Attachment.SATA_DISK, None
    }  # fmt: skip
    assert "the kernel was made without ahci: no boot from a CD on SATA" in seen


def test_an_initrd_need_not_have_the_rest_of_what_a_machine_takes_that_the_kernel_cannot_serve() -> None:
    """dracut leaves out a USB controller where there is no USB storage."""
    assert judged(KernelDrivers(CLOUD - {"xhci_pci", "xhci_hcd"}, CLOUD, NOTHING))[0] == []


def test_a_kernel_without_uas_serves_such_disks_by_usb_storage() -> None:
    assert judged(KernelDrivers(ALL - {"uas"}, ALL - {"uas"}, NOTHING))[:2] == ([], ())


def test_a_driver_goes_by_the_name_that_it_had_before_it_was_split() -> None:
    old = ALL - {"xhci_pci", "ehci_pci"}
    assert judged(KernelDrivers(old, old, NOTHING))[:2] == ([], ())
    assert "lacks xhci_hcd" in judged(KernelDrivers(old - {"xhci_hcd"}, old, NOTHING))[0][0]


def test_where_nobody_says_what_is_built_in_nothing_is_found_and_nothing_claimed() -> None:
    findings, unreachable, seen = judged(KernelDrivers(CLOUD - {"loop"}, CLOUD - {"loop"}, None))
    assert (findings, unreachable) == ([], ())
    assert "loop may be built in" in seen
    # What is a module is not built in: then it is known.
    assert judged(KernelDrivers(CLOUD - {"loop"}, CLOUD, None))[0] == ["the initrd lacks loop"]


def test_the_audit_of_a_medium_tells_from_what_it_does_not_boot(audited: Audited) -> None:
    small = SmallMedium()
    small.rootfs[f"lib/modules/{VERSION}/modules.builtin"] = "kernel/drivers/cdrom/cdrom.ko\n"
    audit = audited(small)
    assert audit.findings_on(Aspect.INITRD_DRIVERS) == ()
    named = {one.attachment: one.drivers for one in audit.live.unreachable}
    assert named[Attachment.CDROM] == ("ahci",)
    assert "no boot from        a CD on SATA: the kernel was made without ahci" in as_text(audit)


def test_the_audit_of_a_medium_that_does_not_list_what_is_built_in_claims_nothing(audited: Audited) -> None:
    small = SmallMedium()
    del small.rootfs[f"lib/modules/{VERSION}/modules.builtin"]
    audit = audited(small)
    assert audit.findings_on(Aspect.INITRD_DRIVERS) == ()
    assert audit.live.unreachable == ()
