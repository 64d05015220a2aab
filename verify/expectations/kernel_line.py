"""The kernel arguments: as asked, whole, in order, after the stock ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mic.kernel_arguments import KernelArguments
from verify.expectations.expectation import Expectation, Place, Subject, named

SOURCE = "Iso.KernelCommandLine, SystemConfig.KernelCommandLine"
_LONGEST = 120
STOCK_SOURCE = "Kernel arguments: appended after the stock ones"


@dataclass(frozen=True)
class ArgumentsAtTheEnd(Subject):
    """The command line ends in these arguments, each as it was asked for."""

    arguments: KernelArguments


@dataclass(frozen=True)
class RootArgument(Subject):
    """``root=live:LABEL=<label>`` is on the command line, before the user's own arguments."""

    label: str
    arguments: KernelArguments


def expected_arguments(arguments: KernelArguments, label: str) -> Iterator[Expectation]:
    """For grub.cfg on the medium and for /proc/cmdline in the machine."""
    for place, where in ((Place.MEDIUM, "GRUB's linux line"), (Place.MACHINE, "/proc/cmdline")):
        yield Expectation(
            named("kernel-arguments", "stock"),
            f"{where} has root=live:LABEL={label} before the configuration's arguments",
            STOCK_SOURCE,
            place,
            RootArgument(label, arguments),
        )
        if arguments:
            yield Expectation(
                named("kernel-arguments", "asked"),
                f"{where} ends in: {_in_short(arguments.shown)}",
                SOURCE,
                place,
                ArgumentsAtTheEnd(arguments),
            )


def _in_short(text: str) -> str:
    """The beginning of a long text: a requirement is read in a list."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
