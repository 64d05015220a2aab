"""The machine of one cell: booted when it is first needed, for one way in, and again for another; ended once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property

from verify.access.choose import GuestSystem, linux_line_of, ways_in
from verify.access.way import WayIn
from verify.console.escapes import without_escapes
from verify.console.login import wait_for_login_prompt
from verify.deadline import Deadline
from verify.engine.boot_source import blame_failed_boot, bytes_to_load, judge_boot_source
from verify.engine.disk_watch import DiskContents
from verify.engine.events import MachineEnded, tell
from verify.engine.recorder import Recorder
from verify.expectations.credentials import Credential
from verify.machine.accelerator import Accelerator, probe_accelerator
from verify.machine.failure import GuestFailed
from verify.machine.machine import Machine
from verify.machine.patterns import pattern_named
from verify.machine.qmp import QmpError
from verify.outcome import NotReached
from verify.plan import MachineCell, Plan
from verify.verdict import VerifyError

# Seconds on fast hardware; an emulated machine gets more (Accelerator.time_scale). A ceiling, not a wait: the
# console gives up much earlier when nothing moves any more.
_BOOT_CEILING_SECONDS = 300.0


class CellMachine:
    """The machine of `cell` in `plan`; `credentials` are those of the configuration's users, `system` is what the
    audit has read in the rootfs. Lost, it stays lost.
    """

    def __init__(self, plan: Plan, cell: MachineCell, credentials: tuple[Credential, ...], system: GuestSystem) -> None:
        self._plan = plan
        self._cell = cell
        self._credentials = credentials
        self._system = system
        self._evidence = plan.evidence_of(cell.id)
        self._stack = ExitStack()
        self._accelerator: Accelerator | None = None
        self._machine: Machine | None = None
        self._disks_before: DiskContents | None = None
        self._reads_told = ""
        self._booted_for: WayIn | None = None
        self._boot_obstacle: str | None = None
        self._lost: str | None = None
        self.recorder = Recorder(plan, cell.id)

    @property
    def time_scale(self) -> float:
        """How much slower than a machine with hardware virtualisation this one is; 1 before the boot."""
        return 1.0 if self._accelerator is None else self._accelerator.time_scale

    @property
    def emulated(self) -> bool:
        """Whether the processor is emulated; False before the boot."""
        return self._accelerator is not None and self._accelerator.name == "tcg"

    @cached_property
    def ways_in(self) -> tuple[WayIn, ...]:
        """The ways in that are worth trying, best first: it is booted for the first. Looks into the medium."""
        return ways_in(self._plan.access, self._credentials, self._system, linux_line_of(self._plan.medium))

    @property
    def booted_for(self) -> WayIn | None:
        """The way in that the machine was launched for; None before the boot, and where there is none."""
        return self._booted_for

    # The boot

    def boot(self) -> str:
        """Starts the machine and waits for its login prompt; does nothing the second time.

        Returns its phases with their seconds, and what was read of each disk. Raises a `VerifyError` when the
        prompt does not come, and `NotReached` when the machine was lost before.
        """
        if self._machine is None:
            with self.lost_when_raising("the machine did not boot"):
                self._start(self.ways_in[0] if self.ways_in else None)
        machine = self.running()
        phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in sorted(machine.phase_times.items()))
        return f"{phases}; {self._reads_told}"

    def serves(self, way: WayIn) -> bool:
        """Whether `way` can be tried in this boot: it was made for it, or `way` needs no equipment."""
        spec = self._cell.spec(self._plan.medium)
        return way is self._booted_for or way.equip(spec) == spec

    def obstacle_to(self, way: WayIn) -> str | None:
        """Why `way`, which the machine was booted for, will not open; None if nothing is known against it."""
        return self._boot_obstacle if way is self._booted_for else None

    def boot_again(self, way: WayIn) -> None:
        """Ends the machine, keeps its logs under other names, and boots it for `way`. Raises as `boot` does."""
        before = "first" if self._booted_for is None else str(self._booted_for.means)
        with self.lost_when_raising("the machine did not boot again"):
            self._stack.close()
            tell(self._plan.events_file, MachineEnded(self._cell.id))
            for log in sorted(self._evidence.glob("*.*")):
                if log.suffix in (".log", ".cast"):
                    log.rename(log.with_name(f"before-by-{before}-{log.name}"))
            self._start(way)

    def _start(self, way: WayIn | None) -> None:
        """Launches a machine equipped for `way` and waits for its login prompt."""
        self._accelerator = probe_accelerator(self._cell.firmware)
        self._evidence.mkdir(parents=True, exist_ok=True)
        spec = self._cell.spec(self._plan.medium)
        self._disks_before = self._disks_before or DiskContents.of(spec)
        machine = Machine(
            spec if way is None else way.equip(spec),
            self._accelerator,
            self._evidence,
            tolerated=self._plan.patterns.tolerated,
            keep=self._plan.keep,
        )
        self._machine = self._stack.enter_context(machine)
        self._booted_for = way
        self.recorder.machine_started(machine, self._accelerator)
        with self.recorder.boot(), self._blaming_other_disks(machine):
            self._boot_obstacle = None if way is None else way.accompany(machine)
            wait_for_login_prompt(machine.console, self.deadline(_BOOT_CEILING_SECONDS))
        self._reads_told = self._prove_medium_booted(machine)
        self.recorder.screenshot("login")

    @contextmanager
    def _blaming_other_disks(self, machine: Machine) -> Iterator[None]:
        """A boot that fails is blamed on the disk that was booted instead of the medium, where one was."""
        try:
            yield
        except GuestFailed as failure:
            try:
                medium, *others = machine.disk_reads()
            except VerifyError:  # QEMU answers no more, and who cannot be asked cannot be blamed
                raise failure from None
            raise blame_failed_boot(failure, medium, tuple(others), bytes_to_load(self._plan.medium)) from failure

    def _prove_medium_booted(self, machine: Machine) -> str:
        medium, *others = machine.disk_reads()
        return judge_boot_source(medium, tuple(others), bytes_to_load(self._plan.medium))

    # While it runs

    def running(self) -> Machine:
        """The machine, booted if it has not been. Raises `NotReached` when it is lost, else as `boot` does."""
        if self._lost is not None:
            raise NotReached(self._lost)
        if self._machine is None:
            self.boot()
        assert self._machine is not None
        return self._machine

    def deadline(self, seconds: float) -> Deadline:
        """A deadline after `seconds` of fast hardware."""
        return Deadline(seconds * self.time_scale)

    def serial_text(self) -> str:
        """The raw serial log so far, without escape sequences."""
        log = self._evidence / "serial.log"
        return without_escapes(log.read_bytes()).decode(errors="replace") if log.exists() else ""

    def line_of(self, pattern: str) -> str | None:
        """The console's first line of the bad pattern with that name; None where it has not been seen."""
        return None if self._machine is None else self._machine.console.seen_patterns.get(pattern_named(pattern))

    def compare_disks(self) -> str:
        """Compares the files behind its writable disks with what they were before the first boot.

        Raises as `DiskContents.compare` does, and as `running`.
        """
        writes = self.running().disk_writes()
        assert self._disks_before is not None
        return self._disks_before.compare(writes)

    # The end

    @property
    def lost(self) -> str | None:
        """Why nothing can be asked of the machine any more; None while it can."""
        return self._lost

    def lose(self, cause: str) -> None:
        """From now on nothing that needs the machine is reached, because of `cause`."""
        self._lost = cause

    @contextmanager
    def lost_when_raising(self, what: str) -> Iterator[None]:
        """Whatever ends the block early makes everything that follows unreachable.

        `what` says in a few words what that means. Raises `NotReached` when the machine was lost before.
        """
        if self._lost is not None:
            raise NotReached(self._lost)
        try:
            yield
        except BaseException as error:
            self.lose(f"{what}: {first_line(error)}")
            self.recorder.screenshot("lost")
            raise

    def end(self) -> None:
        """Ends the machine, whatever state it is in, or leaves it running where the plan is to keep it."""
        machine, self._machine = self._machine, None
        if machine is None:
            return
        try:
            if self._plan.keep:
                # One that is not there any more cannot be left.
                with contextlib.suppress(QmpError):
                    machine.leave_running()
            self._lost = self._lost or "the machine has been ended"
            self._stack.close()
        finally:
            tell(self._plan.events_file, MachineEnded(self._cell.id))


def first_line(error: BaseException) -> str:
    """The cause without the console's last lines, which the failed check itself shows."""
    return (str(error) or type(error).__name__).split("\n")[0]
