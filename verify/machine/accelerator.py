"""How the processor is provided: by the host's own (KVM) or by translation (TCG).

/dev/kvm can exist, pass every ioctl and still not run a guest; only a short boot of the very firmware
tells. QEMU does not fall back by itself once the machine is made.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from verify.deadline import Deadline
from verify.machine.failure import GuestFailed
from verify.machine.firmware import Firmware
from verify.machine.machine import Machine
from verify.machine.patterns import NO_BOOTABLE_DEVICE
from verify.machine.spec import Accelerator, Attachment, MachineSpec
from verify.verdict import VerifyError

__all__ = ["Accelerator", "probe_accelerator"]

_KVM_DEVICE = Path("/dev/kvm")
_PROBE_SECONDS = 30.0
_PROBE_MEMORY_MIB = 256
# Measured on a live boot: 27 to 36 s under TCG against 5 s under KVM.
_TCG_TIME_SCALE = 6.0


@cache
def probe_accelerator(firmware: Firmware) -> Accelerator:
    """KVM if it runs `firmware` to its end, else TCG with the reason. Asked once per process."""
    obstacle = _obstacle_to_kvm(firmware)
    if obstacle is None:
        return Accelerator("kvm", f"{_KVM_DEVICE} ran the {firmware} firmware", 1.0)
    return Accelerator("tcg", obstacle, _TCG_TIME_SCALE)


def _obstacle_to_kvm(firmware: Firmware) -> str | None:
    """Why KVM does not serve; None if it does."""
    if not _KVM_DEVICE.exists():
        return f"this host has no {_KVM_DEVICE}"
    if not os.access(_KVM_DEVICE, os.R_OK | os.W_OK):
        return f"{_KVM_DEVICE} may not be opened by this user"
    obstacle = trial(Accelerator("kvm", "a trial", 1.0), firmware, Deadline(_PROBE_SECONDS))
    return None if obstacle is None else f"{_KVM_DEVICE} does not run the {firmware} firmware: {obstacle}"


def trial(accelerator: Accelerator, firmware: Firmware, deadline: Deadline) -> str | None:
    """Runs `firmware` with nothing to boot; None if it has run to its end, else what happened instead."""
    with tempfile.TemporaryDirectory(prefix="mic-trial-") as name:
        empty = Path(name) / "empty.raw"
        with empty.open("wb") as file:
            file.truncate(1 << 20)
        spec = MachineSpec(empty, firmware, Attachment.VIRTIO_DISK, _PROBE_MEMORY_MIB)
        try:
            with Machine(spec, accelerator, Path(name)) as machine:
                machine.console.await_boot("end of the firmware", [], deadline, silence=deadline.seconds)
        except VerifyError as error:
            # A firmware that has looked everywhere and found nothing to boot has run to its end.
            if isinstance(error, GuestFailed) and error.cause == NO_BOOTABLE_DEVICE.cause:
                return None
            return str(error).splitlines()[0]
    raise AssertionError("a wait for nothing has ended")
