"""How a guest's end is told: the cause, the phase it happened in, and the console's last lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from verify.machine.phase import Phase
from verify.verdict import HarnessFault, HostFault, ProductFailure, VerifyError


@dataclass(frozen=True)
class Circumstances:
    """Where a boot stood: its phase, seconds since the start, and the last lines of the console."""

    phase: Phase
    seconds: float
    last_lines: tuple[str, ...] = ()


class _EndInCircumstances(VerifyError):
    """A cause, with the circumstances it was seen in."""

    def __init__(self, cause: str, circumstances: Circumstances) -> None:
        super().__init__(cause)
        self.cause = cause
        self.circumstances = circumstances

    @property
    def phase(self) -> Phase:
        return self.circumstances.phase

    @property
    def last_lines(self) -> tuple[str, ...]:
        return self.circumstances.last_lines

    def again(self) -> Self:
        """The same news for another wait, free of the traceback of the first."""
        return type(self)(self.cause, self.circumstances)

    def __str__(self) -> str:
        where = f"{self.cause} (phase {self.phase}, {self.circumstances.seconds:.1f} s after the start)"
        if not self.last_lines:
            return where
        return "\n".join((where, "last console lines:", *(f"  {line}" for line in self.last_lines)))


class GuestFailed(_EndInCircumstances, ProductFailure):
    """The medium's own doing: it panicked, asked for a shell, rebooted, or stopped on its way."""


class MachineLost(_EndInCircumstances, HostFault):
    """The host's doing: QEMU died, the accelerator gave up, the guest got no processor time."""


class ConsoleLost(_EndInCircumstances, HarnessFault):
    """The harness's own doing: it can no longer talk to a guest that may be well."""


class CommandTimedOut(ConsoleLost):
    """A command in the guest was still running after its time and has been ended; the shell lives on."""


@dataclass(frozen=True)
class Ending:
    """Why a guest is gone, before anybody has asked: whose fault, and the cause in words."""

    kind: type[GuestFailed] | type[MachineLost] | type[ConsoleLost]
    cause: str

    def told(self, circumstances: Circumstances) -> GuestFailed | MachineLost | ConsoleLost:
        """The error to raise."""
        return self.kind(self.cause, circumstances)
