"""What is kept of a machine while it runs: what it reached and when, its screen, marks in its logs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from verify.engine.events import MachineStarted, Noted, PhaseReached, Screenshot, tell
from verify.machine.accelerator import Accelerator
from verify.machine.host_class import host_class
from verify.machine.machine import Machine
from verify.machine.phase import Phase
from verify.outcome import NotReached
from verify.plan import Plan
from verify.verdict import Verdict, VerifyError

_LOOK_AT_PHASE_EVERY_SECONDS = 0.5
# The screen is kept for these: switch-root is over before anything of it could be seen.
_PHASES_SEEN = (Phase.BOOT_LOADER, Phase.KERNEL, Phase.INITRD, Phase.USERSPACE)


class Recorder:
    """Records one cell. Everything works before there is a machine, and after it has gone: then it does less."""

    def __init__(self, plan: Plan, cell_id: str) -> None:
        self._plan = plan
        self._cell_id = cell_id
        self._evidence = plan.evidence_of(cell_id)
        self._machine: Machine | None = None
        self._marks_before: list[str] = []
        self._told: set[Phase] = set()

    def machine_started(self, machine: Machine, accelerator: Accelerator) -> None:
        """From now on `machine` is recorded, and no other before it; marks made before the first are written now."""
        self._machine = machine
        self._told.clear()
        for text in self._marks_before:
            machine.console.mark(text)
        self._marks_before.clear()
        tell(
            self._plan.events_file,
            MachineStarted(
                self._cell_id,
                accelerator.name,
                accelerator.reason,
                machine.command_line,
                host_class=host_class(accelerator.name, self._qemu_version(machine)),
                time_scale=accelerator.time_scale,
            ),
        )

    def _qemu_version(self, machine: Machine) -> str:
        try:
            return machine.qemu_version()
        except VerifyError:  # gone already; the wait for its console tells why
            return "unknown"

    def mark(self, text: str) -> None:
        """Writes a line into the timed log and a marker into the recording of the console."""
        if self._machine is None:
            self._marks_before.append(text)
        else:
            self._machine.console.mark(text)

    def note(self, text: str) -> None:
        """Tells the report something about the evidence itself: what is missing of it, and why."""
        tell(self._plan.events_file, Noted(self._cell_id, text))

    @contextmanager
    def check(self, name: str) -> Iterator[None]:
        """Marks where a check begins in the logs, and how the block ended."""
        self.mark(f"check {name} begins")
        end = Verdict.HARNESS_FAULT.value
        try:
            yield
            end = Verdict.PASS.value
        except NotReached:
            end = "not reached"
            raise
        except VerifyError as error:
            end = error.verdict.value
            raise
        finally:
            self.mark(f"check {name}: {end}")

    def screenshot(self, moment: str) -> None:
        """Keeps what the screen shows. A machine that is gone shows nothing; why, somebody else is about to tell."""
        if self._machine is None:
            return
        file = self._evidence / f"screen-{moment}.png"
        with contextlib.suppress(VerifyError):
            self._machine.screenshot(file)
            tell(self._plan.events_file, Screenshot(self._cell_id, str(file.relative_to(self._plan.report_dir))))

    @contextmanager
    def boot(self) -> Iterator[None]:
        """Tells each phase as it is reached, with a picture of it, while the block waits for the console."""
        over = threading.Event()
        thread = threading.Thread(target=self._follow_phases, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _follow_phases(self, over: threading.Event) -> None:
        while True:
            last_look = over.wait(_LOOK_AT_PHASE_EVERY_SECONDS)
            self._tell_new_phases()
            if last_look:
                return

    def _tell_new_phases(self) -> None:
        machine = self._machine
        assert machine is not None
        times, delays = machine.phase_times, machine.phase_delays
        new = [phase for phase in sorted(times) if phase not in self._told]
        for phase in new:
            self._told.add(phase)
            tell(self._plan.events_file, PhaseReached(self._cell_id, str(phase), times[phase], delays.get(phase)))
        # Of several phases since the last look only the latest is still on the screen.
        if new and new[-1] in _PHASES_SEEN:
            self.screenshot(str(new[-1]))
