"""QEMU's process: how it is started, what it is talked to through, and how it is ended.

It is started through setpriv(1) so that it dies with the harness (more exactly: with the thread that
launched it, prctl(2) PR_SET_PDEATHSIG), and is talked to through sockets made beforehand: nothing to wait
for, nothing to clean up. Only a machine that is to be kept is started without, and gets listening sockets.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from mic import programs
from verify.machine.command_line import QEMU
from verify.machine.kept import CONSOLE_SOCKET, PID_FILE, QMP_SOCKET
from verify.machine.qmp import QmpError, QmpSession
from verify.machine.spec import MachineSpec
from verify.verdict import HostFault

_QUIT_SECONDS = 10.0
_TERMINATE_SECONDS = 5.0
# QEMU's side of the serial line: a unix socket counts some 770 bytes for each single byte in it.
_SOCKET_BUFFER_BYTES = 4 << 20
_DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
_COMPLAINT_LINES = 5


def check_host(spec: MachineSpec) -> None:
    """Raises `HostFault`, which names it, when a program or a disk of the machine is missing."""
    for program in (QEMU, _DIE_WITH_US[0]):
        if programs.find(program) is None:
            package = programs.DEBIAN_PACKAGES.get(program, "util-linux")
            raise HostFault(f"this host lacks {program} (on Debian: apt-get install {package})")
    for disk in (spec.medium, *spec.other_disks):
        if not disk.is_file():
            raise HostFault(f"{disk} is not there")


class QemuProcess:
    """QEMU, stopped before the guest's first instruction; a context manager, gone on exit unless it was left.

    `hardware` is the machine without its channels (`hardware_arguments`). `evidence`, a directory that exists,
    gets serial.log, firmware.log, qemu.log and, for a second serial line, serial-second.log; with `keep` QEMU's
    listening sockets too, and QEMU does not die with the harness.

    From the entry on there are `serial`, `firmware` and `control` (QMP), connected sockets, `second_serial` where
    the machine has that line, and `end_descriptor`, which is readable when QEMU has ended (pidfd_open(2)).
    """

    serial: socket.socket
    second_serial: socket.socket | None = None
    firmware: socket.socket
    control: socket.socket
    end_descriptor: int

    def __init__(self, spec: MachineSpec, hardware: tuple[str, ...], evidence: Path, *, keep: bool) -> None:
        self._spec = spec
        self._command = (QEMU, *hardware)
        self._evidence = evidence
        self._keep = keep
        self._left = False
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        with self._resources as begun:
            self._start()
            self._resources = begun.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @property
    def _raw_log(self) -> Path:
        return self._evidence / "serial.log"

    @property
    def pid(self) -> int:
        """QEMU's process id: setpriv(1) has become QEMU."""
        return self._process.pid

    def drop_names_of_layers(self) -> None:
        """Removes the files that hold what the guest writes, once QEMU has them open: it needs no names."""
        self._layers.cleanup()

    def leave(self, control: QmpSession) -> None:
        """Makes the serial line wait for somebody else; the exit then closes the harness's ends only.

        For a QEMU to keep; `control` is its connected control channel. Raises `QmpError`.
        """
        address = {"type": "unix", "data": {"path": CONSOLE_SOCKET}}
        log = {"logfile": str(self._raw_log.absolute()), "logappend": True}
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False, **log}}
        control.execute("chardev-change", {"id": "serial", "backend": backend})
        self._left = True

    def end(self) -> None:
        """Waits for QEMU, which was told to quit; then SIGTERM, then SIGKILL."""
        for seconds, harder in ((_QUIT_SECONDS, self._process.terminate), (_TERMINATE_SECONDS, self._process.kill)):
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                harder()
        self._process.wait()

    def start_failure(self, error: QmpError) -> HostFault:
        """What to raise for a QEMU whose control channel gave `error` before the first instruction."""
        try:
            self._process.wait(_TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            return HostFault(f"QEMU started and does not answer: {error}")
        return HostFault(f"QEMU did not start: {self.complaint()}")

    def complaint(self) -> str:
        """QEMU's last lines, or its exit code where it said nothing."""
        lines = (self._evidence / "qemu.log").read_text(errors="replace").splitlines()[-_COMPLAINT_LINES:]
        return "; ".join(lines) or f"exit code {self._process.poll()}"

    def mask_in_raw_log(self, secrets: tuple[str, ...]) -> None:
        """Takes a password that the guest echoed out of serial.log, which otherwise is never touched."""
        if secrets and self._raw_log.exists():
            raw = self._raw_log.read_bytes()
            for secret in secrets:
                raw = raw.replace(secret.encode(), b"*" * len(secret.encode()))
            self._raw_log.write_bytes(raw)

    # The start, in its order

    def _start(self) -> None:
        # QEMU's temporary layers need a place until they are open.
        self._layers = tempfile.TemporaryDirectory(prefix="mic-machine-")
        self._resources.enter_context(self._layers)
        self.serial, serial = self._socket_pair()
        self.firmware, firmware = self._socket_pair()
        self.control, control = self._socket_pair()
        theirs = [serial, firmware, control]
        channels = [
            *("-chardev", f"socket,id=serial,fd={serial.fileno()},logfile={self._log('serial.log')}"),
            *("-serial", "chardev:serial"),
            *("-chardev", f"socket,id=firmware,fd={firmware.fileno()},logfile={self._log('firmware.log')}"),
            # SeaBIOS says on this port what it boots from, and that it found nothing (docs/Debugging.md).
            *("-device", "isa-debugcon,iobase=0x402,chardev=firmware"),
            *("-chardev", f"socket,id=control,fd={control.fileno()}", "-mon", "chardev=control,mode=control"),
            "-S",
        ]
        if self._spec.second_serial:
            self.second_serial, second = self._socket_pair()
            theirs.append(second)
            channels += ["-chardev", f"socket,id=second,fd={second.fileno()},logfile={self._log('serial-second.log')}"]
            channels += ["-serial", "chardev:second"]
        oem_strings = [self._in_memory(text.get_secret_value()) for text in self._spec.oem_strings]
        for descriptor in oem_strings:
            channels += ["-smbios", f"type=11,path=/proc/self/fd/{descriptor}"]
        self._process = self._started(channels, [*(end.fileno() for end in theirs), *oem_strings])
        for end in theirs:
            end.close()
        self.end_descriptor = os.pidfd_open(self._process.pid)
        self._resources.callback(os.close, self.end_descriptor)

    def _started(self, channels: list[str], descriptors: list[int]) -> subprocess.Popen[bytes]:
        log = self._resources.enter_context((self._evidence / "qemu.log").open("wb"))
        environment = {**os.environ, "TMPDIR": self._layers.name}
        command = (*self._command, *channels)
        if not self._keep:
            return self._resources.enter_context(
                programs.started(*_DIE_WITH_US, *command, stdout=log, stderr=log, env=environment, pass_fds=descriptors)
            )
        # Relative, because the name of a socket must be short: QEMU is started in their directory.
        monitor = f"socket,id=attach,path={QMP_SOCKET},server=on,wait=off"
        process = programs.detached(
            *command,
            *("-pidfile", PID_FILE, "-chardev", monitor, "-mon", "chardev=attach,mode=control"),
            cwd=self._evidence,
            output=log,
            env=environment,
            pass_fds=descriptors,
        )
        self._resources.callback(self._kill_unless_left, process)
        return process

    def _kill_unless_left(self, process: subprocess.Popen[bytes]) -> None:
        if not self._left and process.poll() is None:
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
        return str((self._evidence / name).absolute()).replace(",", ",,")
