"""The means of getting a shell, and what all of them have in common."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.expectations.credentials import Credential
from verify.machine.machine import Machine
from verify.machine.spec import MachineSpec


class Means(Enum):
    """What opens the door."""

    PASSWORD = "password"
    CREDENTIALS = "credentials"
    GRUB = "grub"

    def __str__(self) -> str:
        return self.value


class AccessChoice(Enum):
    """What the caller asks for: one of the means and no other, or whatever serves."""

    AUTO = "auto"
    PASSWORD = "password"
    CREDENTIALS = "credentials"
    GRUB = "grub"

    @property
    def allowed(self) -> frozenset[Means]:
        """The means that may be tried."""
        return frozenset(Means) if self is AccessChoice.AUTO else frozenset({Means(self.value)})


class WayIn(Protocol):
    """One way into a machine. It is prepared before the launch and used once the machine has booted.

    `changes` says in a sentence what differs from the machine that a user boots; "" for nothing.
    `added_arguments` is what stands at the end of the kernel's command line beyond what the medium put there.
    """

    @property
    def means(self) -> Means: ...
    @property
    def changes(self) -> str: ...
    @property
    def added_arguments(self) -> str: ...
    @property
    def accounts(self) -> tuple[Credential, ...]:
        """Who can be logged in on the console, best first; empty where the shell is on a line of its own."""
        ...

    def equip(self, spec: MachineSpec) -> MachineSpec:
        """The machine with what this way needs."""
        ...

    def accompany(self, machine: Machine) -> str | None:
        """Acts while the machine boots; None, or why this way will not open. Raises what a wait raises."""
        ...

    def open_own_shell(self, machine: Machine, deadline: Deadline) -> Shell | str | None:
        """Root's shell on a line of its own, or why there is none; None where an account logs in on the console."""
        ...
