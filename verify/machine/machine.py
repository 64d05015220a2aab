"""One virtual machine, from its launch to its end."""

from __future__ import annotations

import collections
import contextlib
import shlex
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from verify.console.serial import SerialConsole
from verify.console.watches import Watch
from verify.machine.command_line import CHANNELS_BY_HAND, QEMU, hardware_arguments
from verify.machine.disk_counts import DiskReads, DiskWrites, reads_counted, writes_counted
from verify.machine.ending import ending_told_by
from verify.machine.failure import ConsoleLost, Ending, MachineLost
from verify.machine.kept import TOLD_IN, KeptMachine
from verify.machine.patterns import BadPattern
from verify.machine.phase import Phase
from verify.machine.qemu_process import QemuProcess, check_host
from verify.machine.qmp import GuestEvent, QmpError, QmpSession
from verify.machine.spec import Accelerator, MachineSpec
from verify.machine.starvation import ProcessorHunger
from verify.verdict import HarnessFault


class Machine:
    """A machine that boots `spec.medium`; a context manager, launched on entry and gone on exit.

    `evidence` is a directory that gets serial.log (raw), serial-timed.log (text, with seconds since the
    first instruction), console.cast (asciicast v2), firmware.log (SeaBIOS's debug output), qemu.log and
    qemu-command.txt. Patterns that are `tolerated` end no wait, for the whole life of the machine. One to
    `keep` does not die with the harness and can be left running.
    """

    def __init__(
        self,
        spec: MachineSpec,
        accelerator: Accelerator,
        evidence: Path,
        *,
        tolerated: tuple[BadPattern, ...] = (),
        keep: bool = False,
    ) -> None:
        self.spec = spec
        self._keep = keep
        self._tolerated = tolerated
        self.accelerator = accelerator
        self.evidence = evidence
        self._hardware = hardware_arguments(spec, accelerator)
        self._resources = ExitStack()
        self._process: QemuProcess | None = None
        self._console: SerialConsole | None = None
        self._second_console: SerialConsole | None = None
        self._qmp: QmpSession | None = None
        self._events: collections.deque[GuestEvent] = collections.deque()
        self._ended_by_us: str | None = None
        self._disk_writes: tuple[DiskWrites, ...] | None = None
        self._left: KeptMachine | None = None

    @property
    def command_line(self) -> tuple[str, ...]:
        """QEMU's command line, to run the same machine again by hand with its serial line on a terminal."""
        return (QEMU, *self._hardware, *CHANNELS_BY_HAND)

    @property
    def console(self) -> SerialConsole:
        """The serial line. Raises `HarnessFault` before the launch."""
        if self._console is None:
            raise HarnessFault("the machine has not been launched")
        return self._console

    @property
    def second_console(self) -> SerialConsole:
        """The second serial line. Raises `HarnessFault` before the launch, and where the machine has none."""
        if self._second_console is None:
            raise HarnessFault("the machine has no second serial line")
        return self._second_console

    @property
    def phase(self) -> Phase:
        """How far the boot has come, by what the console has shown."""
        return self.console.phase

    @property
    def phase_times(self) -> Mapping[Phase, float]:
        """Seconds from the first instruction to each phase that was seen."""
        return self.console.phase_times

    @property
    def phase_delays(self) -> Mapping[Phase, float]:
        """How long (seconds) this host had kept the guest waiting for a processor when it reached each phase."""
        return self.console.phase_delays

    def __enter__(self) -> Self:
        self.launch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown("the harness was done" if kind is None else f"{kind.__name__} in the harness")

    def launch(self) -> None:
        """Starts QEMU and the guest's first instruction.

        Does nothing when launched already. Raises `HostFault` when QEMU is missing or does not start.
        """
        if self._process is not None:
            return
        check_host(self.spec)
        try:
            self._process = self._start_qemu()
            self._connect(self._process)
        except BaseException:
            self.shutdown("the launch failed")
            raise

    def shutdown(self, cause: str = "asked to") -> None:
        """Ends QEMU: by QMP, then by SIGTERM, then by SIGKILL; what came before it is in the evidence.

        May be called at any time and more than once; the first cause is kept. The guest is not asked: a live
        medium has nothing to save.
        """
        if self._left is not None:
            return
        if self._ended_by_us is None:
            self._ended_by_us = cause
        try:
            if self._qmp is not None:
                self._remember_disk_writes()
                with contextlib.suppress(QmpError):
                    self._qmp.execute("quit")
            if self._process is not None:
                self._process.end()
        finally:
            self._let_go()

    def leave_running(self) -> KeptMachine:
        """Lets go of a machine that was made to be kept: its console and QMP then wait for somebody else.

        Raises `QmpError` when it is not there any more, and `HarnessFault` for one that was not to be kept.
        """
        if not self._keep or self._process is None:
            raise HarnessFault("this machine dies with the harness")
        status = self.qmp("query-status")
        self._remember_disk_writes()
        self._ended_by_us = "it was left running"
        assert self._qmp is not None
        self._process.leave(self._qmp)
        state = str(status["status"]) if isinstance(status, dict) else "in an unknown state"
        self._left = KeptMachine(self._process.pid, self.evidence.absolute(), state)
        (self.evidence / TOLD_IN).write_text(f"{self._left}\n")
        self._let_go()
        return self._left

    def qmp(self, command: str, **arguments: object) -> object:
        """What QEMU answers to a QMP command. Raises `QmpError`, or what the console knows of the end."""
        if self._qmp is None:
            raise QmpError("the machine is not running")
        return self._qmp.execute(command, arguments)

    def qemu_version(self) -> str:
        """As QEMU tells it (qapi/control.json), ``7.2.22``. Raises `QmpError`."""
        answer = self.qmp("query-version")
        if not isinstance(answer, dict):
            raise QmpError("query-version answered something else")
        return ".".join(str(answer["qemu"][part]) for part in ("major", "minor", "micro"))

    def screenshot(self, path: Path) -> None:
        """Writes what the screen shows to `path`, as a PNG. Raises `QmpError`."""
        self.qmp("screendump", filename=str(path.absolute()), format="png")

    def disk_writes(self) -> tuple[DiskWrites, ...]:
        """What the guest has written so far to the medium and to each other disk, in their order.

        A CD cannot be written to and is left out. Works after the shutdown as well. Raises `QmpError`.
        """
        if self._disk_writes is not None:
            return self._disk_writes
        return writes_counted(self.spec, self.qmp("query-blockstats"))

    def disk_reads(self) -> tuple[DiskReads, ...]:
        """What has been read so far of the medium, which comes first, and of each other disk.

        Raises `QmpError`.
        """
        return reads_counted(self.spec, self.qmp("query-blockstats"))

    # The launch, in its order

    def _start_qemu(self) -> QemuProcess:
        self.evidence.mkdir(parents=True, exist_ok=True)
        (self.evidence / "qemu-command.txt").write_text(f"{shlex.join(self.command_line)}\n")
        process = QemuProcess(self.spec, self._hardware, self.evidence, keep=self._keep)
        return self._resources.enter_context(process)

    def _connect(self, process: QemuProcess) -> None:
        process.firmware.setblocking(False)
        event_reader, self._event_writer = socket.socketpair()
        self._resources.callback(event_reader.close)
        self._resources.callback(self._event_writer.close)
        event_reader.setblocking(False)
        self._console = SerialConsole(
            process.serial,
            time_scale=self.accelerator.time_scale,
            log=self.evidence / "serial-timed.log",
            cast=self.evidence / "console.cast",
            hunger=ProcessorHunger(process.pid),
            tolerated=self._tolerated,
            watches=(
                Watch(process.firmware.fileno(), lambda: self._on_firmware(process.firmware)),
                Watch(event_reader.fileno(), lambda: self._on_events(event_reader)),
                Watch(process.end_descriptor, lambda: self._on_process_end(process)),
            ),
        )
        if process.second_serial is not None:
            self._second_console = SerialConsole(
                process.second_serial,
                time_scale=self.accelerator.time_scale,
                log=self.evidence / "serial-second-timed.log",
                watches=(Watch(process.end_descriptor, lambda: self._on_process_end(process)),),
            )
        self._run_guest(process, self._console)

    def _run_guest(self, process: QemuProcess, console: SerialConsole) -> None:
        try:
            self._qmp = QmpSession(process.control, self._on_event)
            # All are open now: without their names nothing is left even if we are killed.
            process.drop_names_of_layers()
            self._qmp.execute("cont")
        except QmpError as error:
            raise process.start_failure(error) from error
        console.restart_clock()
        if self._second_console is not None:
            self._second_console.restart_clock()

    # What ends a guest; on the console's thread, but for the first

    def _on_event(self, event: GuestEvent) -> None:
        self._events.append(event)
        with contextlib.suppress(OSError):  # the machine is being shut down
            self._event_writer.send(b"!")

    def _on_events(self, reader: socket.socket) -> Ending | None:
        with contextlib.suppress(BlockingIOError):
            reader.recv(4096)
        while self._events:
            event = self._events.popleft()
            self.console.mark(" ".join(("QEMU:", event.name, event.reason)).strip())
            ending = None if self._ended_by_us is not None else ending_told_by(event, self.accelerator.name)
            if ending is not None:
                if self._second_console is not None:
                    self._second_console.end(ending)
                return ending
        return None

    def _on_process_end(self, process: QemuProcess) -> Ending:
        if self._ended_by_us is not None:
            return Ending(ConsoleLost, f"the machine was shut down: {self._ended_by_us}")
        return Ending(MachineLost, f"QEMU died: {process.complaint()}")

    def _on_firmware(self, firmware: socket.socket) -> Ending | None:
        try:
            said = firmware.recv(65536)
        except ConnectionResetError:
            said = b""
        if not said:
            raise EOFError
        self.console.observe_firmware(said)
        return None

    # The end

    def _remember_disk_writes(self) -> None:
        if self._disk_writes is None:
            with contextlib.suppress(QmpError):
                self._disk_writes = self.disk_writes()

    def _let_go(self) -> None:
        """Closes the harness's ends of everything."""
        for console in (self._console, self._second_console):
            if console is not None:
                console.close()
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        self._resources.close()
        if self._process is not None and self._console is not None:
            self._process.mask_in_raw_log(self._console.leaked_secrets)
