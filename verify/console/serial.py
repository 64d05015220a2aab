"""The serial line of a guest: read without a gap, watched for bad news, matched with pexpect.

A thread reads the line at all times, not only during a wait: a character device of QEMU stalls the guest,
and in the end drops bytes, when nobody reads (a unix socket takes some 280 single bytes by default). The
same thread watches everything else that can end a guest, so that a wait never outlives its guest.
"""

from __future__ import annotations

import math
import re
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
from pexpect.spawnbase import SpawnBase

from verify.console.observer import ConsoleObserver
from verify.console.watches import Watch, Watches
from verify.deadline import Deadline
from verify.machine.failure import Circumstances, ConsoleLost, Ending, GuestFailed, MachineLost
from verify.machine.patterns import BadPattern
from verify.machine.phase import Phase
from verify.machine.starvation import ProcessorHunger

if TYPE_CHECKING:
    _Base = SpawnBase[bytes]
else:
    _Base = SpawnBase

_CHUNK_BYTES = 65536
_TICK_SECONDS = 1.0
_SEND_SECONDS = 30.0
# How much longer than a KVM machine a silent guest with an idle processor is waited for.
_IDLE_PATIENCE = 2.0
_ANYTHING = re.compile(rb"(?s).+")


class SerialConsole(_Base):
    """A guest's serial line.

    `line` is the harness's end of the socket. `time_scale` stretches every wait for a machine that is
    slower than KVM. `log` takes the readable transcript, `cast` the recording (asciicast v2), both with
    seconds from now. `tolerated` patterns never end a wait. All pexpect methods work, on bytes without escape
    sequences; any of them raises `GuestFailed`, `MachineLost` or `ConsoleLost` as soon as the guest has shown
    a bad pattern or is gone.
    """

    def __init__(
        self,
        line: socket.socket,
        *,
        time_scale: float = 1.0,
        log: Path | None = None,
        cast: Path | None = None,
        watches: Sequence[Watch] = (),
        hunger: ProcessorHunger | None = None,
        tolerated: tuple[BadPattern, ...] = (),
    ) -> None:
        super().__init__(timeout=30, maxread=_CHUNK_BYTES, encoding=None)
        self.delayafterread = None
        self.closed = False
        self.time_scale = time_scale
        self.line = line
        line.setblocking(False)
        self._observer = ConsoleObserver(log, cast, hunger, tolerated, emulated=time_scale > 1)
        self._hunger = hunger
        self._changed = threading.Condition()
        self._incoming = bytearray()
        self._ending: GuestFailed | MachineLost | ConsoleLost | None = None
        self._leaked: list[str] = []
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._watches = tuple(watches)
        self._thread = threading.Thread(target=self._run, name="serial console", daemon=True)
        self._thread.start()

    # What has been seen

    @property
    def phase(self) -> Phase:
        return self._observer.phases.phase

    @property
    def phase_times(self) -> Mapping[Phase, float]:
        """Seconds from the start at which each phase was reached."""
        with self._changed:
            return self._observer.phases.times

    @property
    def phase_delays(self) -> Mapping[Phase, float]:
        """How long (seconds) the host had kept the guest waiting when it reached each phase, where that is known."""
        with self._changed:
            return self._observer.phase_delays

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._observer.seconds

    @property
    def quiet_seconds(self) -> float:
        """Seconds since the console last said something new."""
        return self._observer.quiet_seconds

    @property
    def circumstances(self) -> Circumstances:
        """Phase, time and the last lines of the console, for an error message."""
        with self._changed:
            return self._observer.circumstances

    @property
    def seen_patterns(self) -> Mapping[BadPattern, str]:
        """Every bad pattern that has been seen, tolerated or not, with the first line that showed it."""
        with self._changed:
            return self._observer.scanner.seen

    @property
    def excused_stalls(self) -> int:
        """How often the kernel complained of a stuck processor while the host did not let the guest run."""
        return self._observer.excused

    @property
    def unfinished_line(self) -> str:
        """The line that has not ended: where a prompt waits for an answer."""
        with self._changed:
            return self._observer.transcript.unfinished

    @property
    def leaked_secrets(self) -> tuple[str, ...]:
        """Secrets the guest has echoed: to be taken out of every log but the transcript, which masks them."""
        return tuple(self._leaked)

    def observe_firmware(self, data: bytes) -> None:
        """Takes what the firmware said on its debug port; counts as evidence like the console itself."""
        with self._changed:
            self._observer.take_firmware(data)
            self._note_fatal_alarm()
            self._changed.notify_all()

    def reached(self, phase: Phase) -> None:
        """Takes note of a phase that showed itself in another way than by a line of its own."""
        with self._changed:
            self._observer.reached(phase)

    def restart_clock(self) -> None:
        """Makes this moment the start: the first instruction of the guest."""
        self._observer.restart_clock()

    def mark(self, text: str) -> None:
        """Writes a line into the transcript, to find one's way later."""
        with self._changed:
            self._observer.mark(text)

    @contextmanager
    def tolerating(self, *patterns: BadPattern) -> Iterator[None]:
        """Lets bad patterns pass while the block runs."""
        with self._observer.scanner.tolerating(*patterns):
            yield

    # Waiting

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> bytes:
        """Up to `size` bytes of the console, without escape sequences, as soon as there are any.

        Waits at most `timeout` seconds (-1: the default, None: no limit); then raises `pexpect.TIMEOUT`.
        """
        limit = self.timeout if timeout == -1 else timeout
        end = None if limit is None else time.monotonic() + limit
        with self._changed:
            while True:
                if self._observer.alarm is not None:
                    alarm, self._observer.alarm = self._observer.alarm, None
                    raise alarm
                if self._incoming:
                    data = bytes(self._incoming[:size])
                    del self._incoming[:size]
                    return data
                if self._ending is not None:
                    raise self._ending.again()
                remaining = None if end is None else end - time.monotonic()
                if remaining is not None and remaining <= 0:
                    raise pexpect.TIMEOUT("the console said nothing more")
                self._changed.wait(remaining)

    def read_available(self, seconds: float) -> bytes:
        """Everything unread; waits at most `seconds` for the first byte and then returns b""."""
        if self.expect([_ANYTHING, pexpect.TIMEOUT], timeout=max(0.0, seconds)) == 1:
            return b""
        assert isinstance(self.after, bytes)
        return self.after

    def expect_within(self, patterns: Sequence[re.Pattern[bytes]], seconds: float) -> int | None:
        """The index of the pattern that appeared first; None after `seconds` without any."""
        index = self.expect([*patterns, pexpect.TIMEOUT], timeout=max(0.0, seconds), searchwindowsize=4096)
        return index if index < len(patterns) else None

    def forget(self) -> None:
        """Drops everything said and not yet matched."""
        while self.read_available(0):
            pass

    def await_boot(
        self,
        what: str,
        patterns: Sequence[re.Pattern[bytes]],
        deadline: Deadline,
        *,
        silence: float,
        nudge_after: float | None = None,
    ) -> int:
        """Waits for a boot to show one of `patterns`, which mean `what`; returns its index.

        Gives up when the console has said nothing new for `silence` seconds, or at the deadline. Slow is not
        dead: as long as it gets on, or waits for a job that systemd will give up by itself, it is waited
        for. A silent guest whose processor idles is not slow but waits for something by the clock: it gets
        the same time on an emulated processor as on any. When userspace has been quiet for `nudge_after`
        seconds, Enter is typed: a getty whose prompt a kernel line has covered shows another. Both are
        seconds of a KVM machine and are stretched by the time scale. Raises `GuestFailed`, or `MachineLost`
        when the host gave the guest no processor time.
        """
        limit = silence * self.time_scale
        idle_limit = min(limit, silence * _IDLE_PATIENCE)
        nudge_pause = math.inf if nudge_after is None else nudge_after * self.time_scale
        nudged = self.seconds
        while True:
            until_nudge = max(nudge_pause - self.quiet_seconds, nudged + nudge_pause - self.seconds)
            wait = min(self._until_silence(limit, idle_limit), deadline.remaining, max(until_nudge, 0))
            index = self.expect_within(patterns, wait)
            if index is not None:
                return index
            if deadline.expired:
                raise self.stuck(f"no {what} after {deadline.seconds:.0f} s", deadline.seconds)
            self._give_up_on_silence(what, limit, idle_limit)
            if self.quiet_seconds >= nudge_pause and self.seconds >= nudged + nudge_pause:
                nudged = self.seconds
                if self.phase >= Phase.USERSPACE:
                    self.send(b"\r")

    def _until_silence(self, limit: float, idle_limit: float) -> float:
        """Seconds until it is to be asked again whether the silence has been too long."""
        quiet = self.quiet_seconds
        if quiet < idle_limit:
            return idle_limit - quiet
        return min(_TICK_SECONDS, limit - quiet) if quiet < limit else _TICK_SECONDS

    def _give_up_on_silence(self, what: str, limit: float, idle_limit: float) -> None:
        if self._observer.wait_is_limited:
            return
        if self.quiet_seconds >= limit:
            raise self.stuck(f"no {what}, and nothing new for {limit:.0f} s", limit)
        if self.quiet_seconds >= idle_limit and self._hunger is not None and self._hunger.idle(idle_limit):
            raise self.stuck(f"no {what}, nothing new for {idle_limit:.0f} s, and an idle processor", idle_limit)

    def stuck(self, what: str, seconds: float) -> GuestFailed | MachineLost:
        """The error for a guest that does not get on: its own fault, unless the host starved it."""
        with self._changed:
            return self._observer.stuck(what, seconds)

    # Sending

    def send(self, data: bytes) -> None:
        """Types `data`, as it is. Raises `ConsoleLost` when the guest does not take it."""
        deadline = Deadline(_SEND_SECONDS * self.time_scale)
        with selectors.DefaultSelector() as selector:
            selector.register(self.line, selectors.EVENT_WRITE)
            while data:
                if not selector.select(deadline.remaining) and deadline.expired:
                    raise ConsoleLost("the guest takes no input", self.circumstances)
                with self._changed:
                    if self._ending is not None:
                        raise self._ending.again()
                try:
                    data = data[self.line.send(data) :]
                except BlockingIOError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    self._raise_ending()

    @contextmanager
    def guarding(self, secret: str) -> Iterator[None]:
        """Masks `secret` in the transcript while the block runs, should the guest echo it."""
        with self._changed:
            self._observer.guard(secret)
        try:
            yield
        finally:
            with self._changed:
                self._observer.guard(None)
                if self._observer.transcript.secret_seen:
                    self._leaked.append(secret)

    def end(self, ending: Ending) -> None:
        """Ends every wait, present and to come, because the guest is known to be gone."""
        self._end(ending)

    def close(self) -> None:
        """Ends the reading; what arrived before is still in the logs."""
        if self.closed:
            return
        self.closed = True
        self._stop_writer.close()
        self._thread.join()
        self._stop_reader.close()
        self.line.close()
        self._observer.close()

    def _raise_ending(self) -> None:
        """The line is gone; waits for the thread to learn why."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending is not None, timeout=_TICK_SECONDS)
            if self._ending is not None:
                raise self._ending.again()
        raise ConsoleLost("the serial line was closed", self.circumstances)

    # The console's thread

    def _run(self) -> None:
        try:
            self._pump()
        except OSError as error:
            self._end(Ending(MachineLost, f"the console's log cannot be written: {error.strerror}"))
        finally:
            # Whatever else ended the reading: nobody may wait for ever.
            self._end(Ending(ConsoleLost, "nobody reads the serial line any more"))

    def _pump(self) -> None:
        with selectors.DefaultSelector() as selector:
            for descriptor in (self.line.fileno(), self._stop_reader.fileno()):
                selector.register(descriptor, selectors.EVENT_READ)
            watches = Watches(self._watches, selector)
            next_sample = 0.0
            while True:
                ready = {key.fd for key, _ in selector.select(_TICK_SECONDS)}
                if self._hunger is not None and time.monotonic() >= next_sample:
                    self._hunger.sample()
                    next_sample = time.monotonic() + _TICK_SECONDS
                if self._stop_reader.fileno() in ready:
                    self._drain()
                    return
                said, is_open = self._read_line() if self.line.fileno() in ready else (b"", True)
                # What the firmware said before a word of the line has arrived by now, and is taken before it.
                endings = watches.serve()
                self._take(said)
                if not is_open:
                    selector.unregister(self.line)
                    if not self._watches:
                        self._end(Ending(ConsoleLost, "the serial line was closed"))
                for ending in endings:
                    self._drain()
                    self._end(ending)

    def _drain(self) -> None:
        """Takes what the line still holds."""
        said, _ = self._read_line()
        self._take(said)

    def _read_line(self) -> tuple[bytes, bool]:
        """What the line holds for now, and whether it is still open."""
        said = b""
        while True:
            try:
                data = self.line.recv(_CHUNK_BYTES)
            except BlockingIOError:
                return said, True
            except ConnectionResetError:
                return said, False
            if not data:
                return said, False
            said += data

    def _take(self, data: bytes) -> None:
        with self._changed:
            self._incoming += self._observer.take(data)
            self._note_fatal_alarm()
            self._changed.notify_all()

    def _note_fatal_alarm(self) -> None:
        """After a fatal alarm every wait fails with it, not only the next."""
        if self._observer.fatal and self._ending is None:
            self._ending = self._observer.alarm

    def _end(self, ending: Ending) -> None:
        with self._changed:
            if self._ending is None:
                self._ending = ending.told(self.circumstances)
            self._changed.notify_all()
