"""A user of the configuration logs in, as a person would: nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from verify.access.way import Means
from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.expectations.credentials import Credential
from verify.machine.machine import Machine
from verify.machine.spec import MachineSpec


@dataclass(frozen=True)
class UserPassword:
    """Logs in as the first of `accounts` who may become root, else as the first who is let in."""

    accounts: tuple[Credential, ...]
    means: Means = Means.PASSWORD
    changes: str = ""
    added_arguments: str = ""

    def equip(self, spec: MachineSpec) -> MachineSpec:
        return spec

    def accompany(self, machine: Machine) -> str | None:
        return None

    def open_own_shell(self, machine: Machine, deadline: Deadline) -> Shell | str | None:
        return None
