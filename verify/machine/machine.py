"""One virtual machine, from its launch to its end.

QEMU is started through setpriv(1) so that it dies with the harness (more exactly: with the thread that
launched it, prctl(2) PR_SET_PDEATHSIG), and is talked to through sockets made beforehand: nothing to wait
for, nothing to clean up. Only a machine that is to be kept is started without, and gets listening sockets.
"""

from __future__ import annotations

import collections
import contextlib
import os
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from mic import programs
from verify.console.serial import SerialConsole, Watch
from verify.machine.command_line import CHANNELS_BY_HAND, MEDIUM, QEMU, hardware_arguments, other_disk
from verify.machine.failure import ConsoleLost, Ending, GuestFailed, MachineLost
from verify.machine.kept import CONSOLE_SOCKET, PID_FILE, QMP_SOCKET, TOLD_IN, KeptMachine
from verify.machine.patterns import BadPattern
from verify.machine.phase import Phase
from verify.machine.qmp import GuestEvent, QmpError, QmpSession
from verify.machine.spec import Accelerator, MachineSpec
from verify.machine.starvation import ProcessorHunger
from verify.verdict import HarnessFault, HostFault

_QUIT_SECONDS = 10.0
_TERMINATE_SECONDS = 5.0
# QEMU's side of the serial line: a unix socket counts some 770 bytes for each single byte in it.
_SOCKET_BUFFER_BYTES = 4 << 20
_DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
_COMPLAINT_LINES = 5


@dataclass(frozen=True)
class DiskWrites:
    """What the guest has written to a disk: nothing, on a live medium that keeps its promise.

    `discards` counts the requests to forget what blocks hold (TRIM, UNMAP): they destroy without a write.
    """

    disk: Path
    operations: int
    bytes: int
    discards: int = 0


@dataclass(frozen=True)
class DiskReads:
    """How many bytes the machine, its firmware included, has read of a disk."""

    disk: Path
    bytes: int


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
        self._process: subprocess.Popen[bytes] | None = None
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
        self._check_host()
        try:
            connections = self._start_qemu()
            self._connect(*connections)
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
                self._end_process(self._process)
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
        address = {"type": "unix", "data": {"path": CONSOLE_SOCKET}}
        log = {"logfile": str((self.evidence / "serial.log").absolute()), "logappend": True}
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False, **log}}
        self.qmp("chardev-change", id="serial", backend=backend)
        state = str(status["status"]) if isinstance(status, dict) else "in an unknown state"
        self._left = KeptMachine(self._process.pid, self.evidence.absolute(), state)
        (self.evidence / TOLD_IN).write_text(f"{self._left}\n")
        self._let_go()
        return self._left

    def _let_go(self) -> None:
        """Closes the harness's ends of everything."""
        for console in (self._console, self._second_console):
            if console is not None:
                console.close()
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        self._resources.close()
        self._mask_leaked_secrets()

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
        by_name = self._block_statistics()
        return tuple(
            DiskWrites(path, stats["wr_operations"], stats["wr_bytes"], stats["unmap_operations"])
            for name, path in self._disks.items()
            for stats in (by_name[name],)
            if name != MEDIUM or not self.spec.attachment.is_optical
        )

    def disk_reads(self) -> tuple[DiskReads, ...]:
        """What has been read so far of the medium, which comes first, and of each other disk.

        Raises `QmpError`.
        """
        by_name = self._block_statistics()
        return tuple(DiskReads(path, by_name[name]["rd_bytes"]) for name, path in self._disks.items())

    @property
    def _disks(self) -> dict[str, Path]:
        others = {other_disk(number): path for number, path in enumerate(self.spec.other_disks)}
        return {MEDIUM: self.spec.medium, **others}

    def _block_statistics(self) -> Mapping[str, Mapping[str, int]]:
        statistics = self.qmp("query-blockstats")
        if not isinstance(statistics, list):
            raise QmpError("query-blockstats answered something else")
        return {entry["device"]: entry["stats"] for entry in statistics}

    # The launch, in its order

    def _check_host(self) -> None:
        for program in (QEMU, _DIE_WITH_US[0]):
            if programs.find(program) is None:
                package = programs.DEBIAN_PACKAGES.get(program, "util-linux")
                raise HostFault(f"this host lacks {program} (on Debian: apt-get install {package})")
        for disk in (self.spec.medium, *self.spec.other_disks):
            if not disk.is_file():
                raise HostFault(f"{disk} is not there")

    def _start_qemu(self) -> tuple[socket.socket, socket.socket, socket.socket]:
        """Starts QEMU, stopped before its first instruction; returns serial line, firmware's line and QMP."""
        self.evidence.mkdir(parents=True, exist_ok=True)
        command = f"{shlex.join(self.command_line)}\n"
        (self.evidence / "qemu-command.txt").write_text(command)
        # QEMU's temporary layers need a place until they are open.
        self._layers = tempfile.TemporaryDirectory(prefix="mic-machine-")
        self._resources.enter_context(self._layers)
        ours, theirs = zip(*(self._socket_pair() for _ in range(4)), strict=True)
        serial, firmware, control, second = (str(end.fileno()) for end in theirs)
        oem_strings = [self._in_memory(text.get_secret_value()) for text in self.spec.oem_strings]
        channels = [
            *("-chardev", f"socket,id=serial,fd={serial},logfile={self._log('serial.log')}"),
            *("-serial", "chardev:serial"),
            *("-chardev", f"socket,id=firmware,fd={firmware},logfile={self._log('firmware.log')}"),
            # SeaBIOS says on this port what it boots from, and that it found nothing (docs/Debugging.md).
            *("-device", "isa-debugcon,iobase=0x402,chardev=firmware"),
            *("-chardev", f"socket,id=control,fd={control}", "-mon", "chardev=control,mode=control"),
            "-S",
        ]
        if self.spec.second_serial:
            channels += ["-chardev", f"socket,id=second,fd={second},logfile={self._log('serial-second.log')}"]
            channels += ["-serial", "chardev:second"]
            self._second_line = ours[3]
        for descriptor in oem_strings:
            channels += ["-smbios", f"type=11,path=/proc/self/fd/{descriptor}"]
        self._process = self._started(channels, [*(end.fileno() for end in theirs), *oem_strings])
        for end in theirs:
            end.close()
        return ours[0], ours[1], ours[2]

    def _started(self, channels: list[str], descriptors: list[int]) -> subprocess.Popen[bytes]:
        log = self._resources.enter_context((self.evidence / "qemu.log").open("wb"))
        environment = {**os.environ, "TMPDIR": self._layers.name}
        command = (QEMU, *self._hardware, *channels)
        if not self._keep:
            return self._resources.enter_context(
                programs.started(*_DIE_WITH_US, *command, stdout=log, stderr=log, env=environment, pass_fds=descriptors)
            )
        # Relative, because the name of a socket must be short: QEMU is started in their directory.
        monitor = f"socket,id=attach,path={QMP_SOCKET},server=on,wait=off"
        process = programs.detached(
            *command,
            *("-pidfile", PID_FILE, "-chardev", monitor, "-mon", "chardev=attach,mode=control"),
            cwd=self.evidence,
            output=log,
            env=environment,
            pass_fds=descriptors,
        )
        self._resources.callback(self._kill_unless_left, process)
        return process

    def _kill_unless_left(self, process: subprocess.Popen[bytes]) -> None:
        if self._left is None and process.poll() is None:
            process.kill()
            process.wait()

    def _socket_pair(self) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        self._resources.callback(ours.close)
        self._resources.callback(theirs.close)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        return ours, theirs

    def _in_memory(self, text: str) -> int:
        """The descriptor of a nameless file with `text`: a secret that QEMU reads is on no disk."""
        descriptor = os.memfd_create("oem-string")
        self._resources.callback(os.close, descriptor)
        os.write(descriptor, text.encode())
        return descriptor

    def _log(self, name: str) -> str:
        return str((self.evidence / name).absolute()).replace(",", ",,")

    def _connect(self, serial: socket.socket, firmware: socket.socket, control: socket.socket) -> None:
        process = self._process
        assert process is not None
        firmware.setblocking(False)
        process_end = os.pidfd_open(process.pid)
        self._resources.callback(os.close, process_end)
        event_reader, self._event_writer = socket.socketpair()
        self._resources.callback(event_reader.close)
        self._resources.callback(self._event_writer.close)
        event_reader.setblocking(False)
        self._console = SerialConsole(
            serial,
            time_scale=self.accelerator.time_scale,
            log=self.evidence / "serial-timed.log",
            cast=self.evidence / "console.cast",
            hunger=ProcessorHunger(process.pid),
            tolerated=self._tolerated,
            watches=(
                Watch(firmware.fileno(), lambda: self._on_firmware(firmware)),
                Watch(event_reader.fileno(), lambda: self._on_events(event_reader)),
                Watch(process_end, self._on_process_end),
            ),
        )
        if self.spec.second_serial:
            self._second_console = SerialConsole(
                self._second_line,
                time_scale=self.accelerator.time_scale,
                log=self.evidence / "serial-second-timed.log",
                watches=(Watch(process_end, self._on_process_end),),
            )
        try:
            self._qmp = QmpSession(control, self._on_event)
            # All are open now: without their names nothing is left even if we are killed.
            self._layers.cleanup()
            self._qmp.execute("cont")
        except QmpError as error:
            raise self._launch_failure(process, error) from error
        self._console.restart_clock()
        if self._second_console is not None:
            self._second_console.restart_clock()

    def _launch_failure(self, process: subprocess.Popen[bytes], error: QmpError) -> HostFault:
        try:
            process.wait(_TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            return HostFault(f"QEMU started and does not answer: {error}")
        return HostFault(f"QEMU did not start: {self._complaint()}")

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
            ending = self._ending_of(event)
            if ending is not None:
                if self._second_console is not None:
                    self._second_console.end(ending)
                return ending
        return None

    def _ending_of(self, event: GuestEvent) -> Ending | None:
        if self._ended_by_us is not None:
            return None
        ending = None
        match event.name, event.reason:
            case "GUEST_PANICKED", _:
                ending = Ending(GuestFailed, "the kernel panicked (told by pvpanic)")
            case "SHUTDOWN", "guest-reset":
                ending = Ending(GuestFailed, "the guest restarted itself")
            case "SHUTDOWN", reason if event.by_guest:
                ending = Ending(GuestFailed, f"the guest switched itself off ({reason})")
            case "STOP", "internal-error":
                ending = Ending(MachineLost, f"{self.accelerator.name} gave up on the guest (internal-error)")
            case "STOP", "io-error":
                ending = Ending(MachineLost, "the host could not read or write a disk (io-error)")
        return ending

    def _on_process_end(self) -> Ending:
        if self._ended_by_us is not None:
            return Ending(ConsoleLost, f"the machine was shut down: {self._ended_by_us}")
        return Ending(MachineLost, f"QEMU died: {self._complaint()}")

    def _on_firmware(self, firmware: socket.socket) -> Ending | None:
        try:
            said = firmware.recv(65536)
        except ConnectionResetError:
            said = b""
        if not said:
            raise EOFError
        self.console.observe_firmware(said)
        return None

    def _complaint(self) -> str:
        lines = (self.evidence / "qemu.log").read_text(errors="replace").splitlines()[-_COMPLAINT_LINES:]
        return "; ".join(lines) or f"exit code {self._process.poll() if self._process else None}"

    # The end

    def _end_process(self, process: subprocess.Popen[bytes]) -> None:
        for seconds, harder in ((_QUIT_SECONDS, process.terminate), (_TERMINATE_SECONDS, process.kill)):
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                harder()
        process.wait()

    def _remember_disk_writes(self) -> None:
        if self._disk_writes is None:
            with contextlib.suppress(QmpError):
                self._disk_writes = self.disk_writes()

    def _mask_leaked_secrets(self) -> None:
        """Takes a password that the guest echoed out of the raw log, which otherwise is never touched."""
        log = self.evidence / "serial.log"
        secrets = self._console.leaked_secrets if self._console is not None else ()
        if secrets and log.exists():
            raw = log.read_bytes()
            for secret in secrets:
                raw = raw.replace(secret.encode(), b"*" * len(secret.encode()))
            log.write_bytes(raw)
