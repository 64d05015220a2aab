"""Which of QEMU's events end a guest, and whose doing that is."""

from __future__ import annotations

from verify.machine.failure import Ending, GuestFailed, MachineLost
from verify.machine.qmp import GuestEvent


def ending_told_by(event: GuestEvent, accelerator: str) -> Ending | None:
    """How the guest has ended; None for an event that it survives, and for an end that was asked of QEMU.

    `accelerator` is the name of the one that runs the guest. The events are those of qapi/run-state.json.
    """
    ending = None
    match event.name, event.reason:
        case "GUEST_PANICKED", _:
            ending = Ending(GuestFailed, "the kernel panicked (told by pvpanic)")
        case "SHUTDOWN", "guest-reset":
            ending = Ending(GuestFailed, "the guest restarted itself")
        case "SHUTDOWN", reason if event.by_guest:
            ending = Ending(GuestFailed, f"the guest switched itself off ({reason})")
        case "STOP", "internal-error":
            ending = Ending(MachineLost, f"{accelerator} gave up on the guest (internal-error)")
        case "STOP", "io-error":
            ending = Ending(MachineLost, "the host could not read or write a disk (io-error)")
    return ending
