"""What a run says of the medium, and of itself.

A product failure is the medium's fault and is never tried again. A harness fault or a host fault says
nothing about the medium: those two may be tried again, visibly.
"""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """The four ends of a check, from best to worst news about what is known."""

    PASS = "pass"
    PRODUCT_FAILURE = "product failure"
    HARNESS_FAULT = "harness fault"
    HOST_FAULT = "host fault"

    @property
    def exit_code(self) -> int:
        """0 pass, 1 the medium is wrong, 75 (EX_TEMPFAIL of sysexits.h) harness or host at fault."""
        return {Verdict.PASS: 0, Verdict.PRODUCT_FAILURE: 1}.get(self, 75)


class VerifyError(Exception):
    """Something that ends a check; its class says whose fault it is."""

    verdict: Verdict


class ProductFailure(VerifyError):
    """The medium is not what the configuration asked for."""

    verdict = Verdict.PRODUCT_FAILURE


class HarnessFault(VerifyError):
    """The harness could not find out: a lost console, a bug of ours, a wait that ended without a cause."""

    verdict = Verdict.HARNESS_FAULT


class HostFault(VerifyError):
    """The host could not run the machine: no memory, no QEMU, an accelerator that does not run guests."""

    verdict = Verdict.HOST_FAULT
