"""One machine from its start to its end, as checks see it: booted once, logged in when first needed, left tidy."""

from __future__ import annotations

from pydantic import SecretStr

from verify.access.choose import GuestSystem
from verify.checks.guest import GuestShell, Privilege
from verify.console.login import LoginResult
from verify.engine.cell_machine import CellMachine
from verify.engine.entry import Entry
from verify.engine.machine_ids import others_with
from verify.engine.recorder import Recorder
from verify.expectations.credentials import Credential
from verify.machine.disk_counts import DiskWrites
from verify.machine.failure import GuestFailed
from verify.machine.patterns import pattern_named
from verify.plan import MachineCell, Plan


class MachineSession:
    """The machine of one cell and the harness's way into it; fulfils `verify.checks.guest.Session`.

    Whatever needs the machine boots it, and whatever needs a shell opens one. What is lost once stays lost: then
    these raise `NotReached`.
    """

    def __init__(self, plan: Plan, cell: MachineCell, credentials: tuple[Credential, ...], system: GuestSystem) -> None:
        self._plan = plan
        self._cell = cell
        self._machine = CellMachine(plan, cell, credentials, system)
        self._entry = Entry(plan, cell.id, self._machine)

    # The machine

    @property
    def recorder(self) -> Recorder:
        """Keeps what the machine shows; works before the boot and after the end."""
        return self._machine.recorder

    @property
    def time_scale(self) -> float:
        """How much slower than a machine with hardware virtualisation this one is; 1 before the boot."""
        return self._machine.time_scale

    @property
    def emulated(self) -> bool:
        """Whether the processor is emulated; False before the boot."""
        return self._machine.emulated

    @property
    def added_arguments(self) -> str:
        """What the harness itself has put at the end of the kernel's command line."""
        return "" if self._machine.booted_for is None else self._machine.booted_for.added_arguments

    def boot(self) -> str:
        """Starts the machine and waits for its login prompt; raises a `VerifyError` when it does not come.

        Returns, in words, when it reached which phase and what was read of each disk.
        """
        return self._machine.boot()

    def line_that_showed(self, pattern: str) -> str | None:
        """The console's first line of the bad pattern with that name; None where it has not been seen.

        Boots first. Raises as `boot` does, but for an end by that very pattern where the plan wants it.
        """
        try:
            self.boot()
        except GuestFailed:
            if self._plan.patterns.ends_boot is not pattern_named(pattern) or self._machine.line_of(pattern) is None:
                raise
        return self._machine.line_of(pattern)

    def serial_text(self) -> str:
        """The raw serial log so far, without escape sequences."""
        return self._machine.serial_text()

    def disk_writes(self) -> tuple[DiskWrites, ...]:
        """What the guest has written so far to each disk that it can write to. Raises `QmpError`."""
        return self._machine.running().disk_writes()

    def compare_disks(self) -> str:
        """Compares the files behind the writable disks with what they were before the boot.

        Raises `HarnessFault` or `HostFault` when one has changed.
        """
        return self._machine.compare_disks()

    @property
    def excused_stalls(self) -> int:
        """How often the kernel complained of a stuck processor while the host did not let the machine run."""
        return self._machine.running().console.excused_stalls

    def others_with_machine_id(self, machine_id: str) -> tuple[str, ...]:
        """Who else of this run, the medium's rootfs included, has that id, in words."""
        return others_with(machine_id, self._plan, self._cell)

    # The way into it

    def open_shell(self) -> str:
        """Gets a shell; returns whose, by which way. Raises `ProductFailure` or `HarnessFault` when nobody can."""
        return self._entry.open()

    def shell(self) -> GuestShell:
        """The harness's own shell, opened again where a login check has closed it."""
        return self._entry.shell()

    def privilege(self) -> Privilege:
        """How a command in that shell becomes root's."""
        return self._entry.privilege

    @property
    def why_no_shell(self) -> str | None:
        """Why nothing can be asked of the machine as it is now; None if it can."""
        return self._entry.why_no_shell

    def try_login(self, user: str, password: SecretStr) -> LoginResult:
        """Leaves the harness's own login, tries once, and comes back to the login prompt."""
        return self._entry.try_login(user, password)

    # The end

    def close(self) -> None:
        """Ends the machine, whatever state it is in, or leaves it running where the plan is to keep it."""
        try:
            if self._plan.keep:
                self._entry.hand_over()
        finally:
            self._machine.end()
