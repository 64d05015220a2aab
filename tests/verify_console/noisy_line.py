"""A real program on a real pseudo-terminal, behind a line that loses bytes and mixes kernel messages in."""

from __future__ import annotations

import fcntl
import os
import random
import selectors
import shutil
import signal
import socket
import struct
import tempfile
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mic import programs
from verify.console.serial import SerialConsole
from verify.machine.patterns import BadPattern
from verify.machine.starvation import ProcessorHunger

KERNEL_LINES = (
    b"usb 1-1: new high-speed USB device number 2 using xhci_hcd",
    b'audit: type=1400 audit(1700000000.123:42): apparmor="STATUS" operation="profile_load"',
    b"systemd[1]: Started session-1.scope - Session 1 of User root.",
    b"random: crng init done",
    b"perf: interrupt took too long (2504 > 2500), lowering kernel.perf_event_max_sample_rate to 79750",
    b"IPv6: ADDRCONF(NETDEV_CHANGE): ens3: link becomes ready",
    b"x=1",
)


@dataclass(frozen=True)
class Noise:
    """Chances per byte: a kernel line put in before it, a typed byte lost, a shown byte lost.

    `lost_bytes` are positions of typed bytes that are lost for certain.
    """

    kernel_lines: float = 0.0
    input_lost: float = 0.0
    output_lost: float = 0.0
    lost_bytes: tuple[int, ...] = ()


SILENCE = Noise()


class _Chance:
    """Draws how many bytes pass until the next event, instead of one number per byte."""

    def __init__(self, generator: random.Random, per_byte: float) -> None:
        self._generator = generator
        self._per_byte = per_byte
        self._left = self._draw()

    def _draw(self) -> int:
        if self._per_byte <= 0:
            return 1 << 60
        return int(self._generator.expovariate(self._per_byte))

    def positions(self, length: int) -> list[int]:
        """Where in the next `length` bytes the event happens."""
        found = []
        position = self._left
        while position < length:
            found.append(position)
            position += 1 + self._draw()
        self._left = position - length
        return found


class NoisyLine:
    """Carries bytes between a pseudo-terminal and a socket, with noise; `far_end` is the harness's end."""

    def __init__(self, terminal: int, noise: Noise, seed: int) -> None:
        generator = random.Random(seed)
        self._generator = generator
        self._terminal = terminal
        self._kernel_lines = _Chance(generator, noise.kernel_lines)
        self._input_lost = _Chance(generator, noise.input_lost)
        self._output_lost = _Chance(generator, noise.output_lost)
        self._lost_bytes = noise.lost_bytes
        self._carried = 0
        self._uptime = 10.0
        self._typed = bytearray()
        self.shown = bytearray()
        self.far_end, self._near_end = socket.socketpair()
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop_writer.close()
        self._thread.join()
        self._stop_reader.close()

    def _carry(self) -> None:
        os.set_blocking(self._terminal, False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._near_end, selectors.EVENT_READ)
            selector.register(self._stop_reader, selectors.EVENT_READ)
            selector.register(self._terminal, selectors.EVENT_READ)
            while True:
                ready = {key.fd: events for key, events in selector.select()}
                if self._stop_reader.fileno() in ready:
                    break
                if ready.get(self._terminal, 0) & selectors.EVENT_READ and not self._show():
                    break
                if self._near_end.fileno() in ready:
                    try:
                        data = self._near_end.recv(4096)
                    except ConnectionResetError:  # the harness has closed its end with bytes unread
                        break
                    if not data:
                        break
                    lost = {position - self._carried for position in self._lost_bytes}
                    self._carried += len(data)
                    lost.update(self._input_lost.positions(len(data)))
                    self._typed += _without(data, sorted(lost & set(range(len(data)))))
                self._type()
                # Takes no more from the harness than the terminal holds, as a serial port would.
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._typed else 0)
                selector.modify(self._terminal, wanted)
                if self._typed and self._near_end in selector.get_map():
                    selector.unregister(self._near_end)
                elif not self._typed and self._near_end not in selector.get_map():
                    selector.register(self._near_end, selectors.EVENT_READ)
        self._near_end.close()

    def _type(self) -> None:
        while self._typed:
            try:
                del self._typed[: os.write(self._terminal, self._typed)]
            except BlockingIOError:
                return

    def _show(self) -> bool:
        try:
            data = os.read(self._terminal, 4096)
        except OSError:  # EIO: the program has closed the terminal
            return False
        noisy = bytearray()
        begin = 0
        for position in self._kernel_lines.positions(len(data)):
            noisy += data[begin:position]
            begin = position
            self._uptime += self._generator.random()
            line = self._generator.choice(KERNEL_LINES)
            noisy += b"[%12.6f] %s\r\n" % (self._uptime, line)
        noisy += data[begin:]
        shown = _without(bytes(noisy), self._output_lost.positions(len(noisy)))
        self.shown += shown
        try:
            self._near_end.sendall(shown)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True


def _without(data: bytes, positions: Sequence[int]) -> bytes:
    kept = bytearray()
    begin = 0
    for position in positions:
        kept += data[begin:position]
        begin = position + 1
    return bytes(kept + data[begin:])


@contextmanager
def console_of(
    program: Sequence[str],
    *,
    noise: Noise = SILENCE,
    seed: int = 1,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    time_scale: float = 1.0,
    tolerated: tuple[BadPattern, ...] = (),
    watched: bool = False,
) -> Iterator[tuple[SerialConsole, NoisyLine]]:
    """Runs `program` on a terminal of its own and yields the harness's console of it, and the line.

    With `watched`, the program's hunger for the processor is watched as QEMU's is.
    """
    pid, terminal = os.forkpty()
    if pid == 0:
        os.execvpe(program[0], list(program), {**os.environ, "TERM": "vt220", **(environment or {})})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    line = NoisyLine(terminal, noise, seed)
    hunger = ProcessorHunger(pid) if watched else None
    console = SerialConsole(line.far_end, log=log, time_scale=time_scale, hunger=hunger, tolerated=tolerated)
    try:
        yield console, line
    finally:
        console.close()
        line.close()
        os.close(terminal)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def login_shell(
    name: str, *, noise: Noise = SILENCE, seed: int = 1, log: Path | None = None, time_scale: float = 1.0
) -> Iterator[tuple[SerialConsole, NoisyLine, Path]]:
    """A fresh login shell ("dash", "bash", "busybox") in a home of its own, which is yielded too."""
    directory = Path(tempfile.mkdtemp(prefix="mic-login-shell-"))
    environment = {"HOME": str(directory), "PS1": "$ ", "ENV": "", "HISTFILE": str(directory / "history")}
    command = {"dash": ["dash", "-l", "-i"], "bash": ["bash", "-l", "-i"]}.get(name)
    if command is None:
        applets = directory / "bin"
        applets.mkdir()
        busybox = shutil.which("busybox")
        assert busybox is not None, "busybox is needed to test its shell"
        for applet in programs.run(busybox, "--list").text.split():
            (applets / applet).symlink_to(busybox)
        environment["PATH"] = str(applets)
        command = [str(applets / "sh"), "-l", "-i"]
    try:
        with console_of(command, noise=noise, seed=seed, environment=environment, log=log, time_scale=time_scale) as (
            console,
            line,
        ):
            yield console, line, directory
    finally:
        shutil.rmtree(directory)
