"""What the lines of a console mean: how far the boot is, whether it gets on, what has gone wrong.

No thread and no wait in here: `SerialConsole` hands the bytes over and guards against two at once.
"""

from __future__ import annotations

import codecs
import collections
import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from verify.console.asciicast import Asciicast
from verify.console.escapes import EscapeStripper
from verify.console.transcript import Transcript
from verify.machine.failure import Circumstances, GuestFailed, MachineLost
from verify.machine.patterns import BadPattern, PatternScanner
from verify.machine.phase import Phase, PhaseTracker
from verify.machine.starvation import ProcessorHunger

_LINES_IN_ERRORS = 15
# A soft lockup or an RCU stall is told after some 20 to 26 s without progress (kernel/watchdog.c,
# CONFIG_RCU_CPU_STALL_TIMEOUT); the samples come about once a second.
_STALL_SECONDS = 30.0
# Lines that repeat while a boot waits; they prove that it lives, not that it gets on. dracut's initqueue
# shows its own again and again too, as do all sorts of loops: whatever has been said so often is nothing new.
_MOST_REPEATS = 3
_TIMESTAMP = re.compile(r"^\[ *\d+\.\d+\] ")
# systemd's "A start job is running for Wait for Network to be Configured (31s / 2min)": it ends by itself
# then. "no limit" in place of the limit is a wait that may never end.
_JOB_TIMES = re.compile(r"\(([\dhmins ]+) / ([\dhmins ]+)\)")
_TIME = re.compile(r"(\d+)(h|min|s)(?![a-z])")
_SECONDS = {"h": 3600, "min": 60, "s": 1}
_WAITING_LINE = re.compile(
    r"A (start|stop) job is running for|\d+ jobs? (is|are) running|dracut-initqueue.*(timeout|Timed out)"
)
_WORD = re.compile(r"\w")


class ConsoleObserver:
    """Reads the meaning off a console.

    `alarm` is the bad news that has not been told yet; `fatal` says that nothing good can follow it. `excused`
    counts the complaints of a stuck processor where it is `emulated` or the host did not let the guest run.
    """

    def __init__(
        self,
        log: Path | None,
        cast: Path | None,
        hunger: ProcessorHunger | None,
        tolerated: tuple[BadPattern, ...] = (),
        *,
        emulated: bool = False,
    ) -> None:
        self.transcript = Transcript(log)
        self._cast = None if cast is None else Asciicast(cast, cast.parent.name)
        self.scanner = PatternScanner(tolerated=tolerated)
        self.phases = PhaseTracker()
        self.alarm: GuestFailed | MachineLost | None = None
        self.fatal = False
        self.excused = 0
        self._firmware = Transcript()
        self._stripper = EscapeStripper()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._hunger = hunger
        self._emulated = emulated
        self._start = self._progress_at = time.monotonic()
        self._waits_for = ""
        self._delays: dict[Phase, float] = {}
        self._wait_ends_at = 0.0
        self._said: collections.Counter[str] = collections.Counter()

    @property
    def phase_delays(self) -> Mapping[Phase, float]:
        """How long (seconds) the host had kept the guest waiting for a processor when it reached each phase."""
        return MappingProxyType(dict(self._delays))

    def reached(self, phase: Phase) -> None:
        """Takes note of a phase, and of how long the host has kept the guest waiting until then."""
        self.phases.advance(phase, self.seconds)
        self._note_delay()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def quiet_seconds(self) -> float:
        """Seconds since the console last said something new."""
        return time.monotonic() - self._progress_at

    @property
    def wait_is_limited(self) -> bool:
        """Whether systemd waits for a job that it will give up by itself."""
        return time.monotonic() < self._wait_ends_at

    @property
    def circumstances(self) -> Circumstances:
        """Phase, time and the last lines of the console, for an error message."""
        last_lines = self.transcript.last_lines(_LINES_IN_ERRORS)
        return Circumstances(self.phases.phase, self.seconds, last_lines)

    def restart_clock(self) -> None:
        """Makes this moment the start."""
        self._start = self._progress_at = time.monotonic()
        if self._hunger is not None:
            self._hunger.start_waiting()

    def mark(self, text: str) -> None:
        """Writes a line of the harness's own into the records."""
        self.transcript.mark(text, self.seconds)
        if self._cast is not None:
            self._cast.mark(text, self.seconds)

    def guard(self, secret: str | None) -> None:
        """From now on masks `secret` in the records, should the guest echo it; None ends that."""
        self.transcript.guard(secret)
        if self._cast is not None:
            self._cast.guard(secret)

    def close(self) -> None:
        """Writes out what is left of the records."""
        self.transcript.close()
        if self._cast is not None:
            self._cast.close()

    def take(self, data: bytes) -> bytes:
        """Takes what the console said; returns it without escape sequences."""
        if self._cast is not None:
            self._cast.add(data, self.seconds)
        text = self._stripper.feed(data)
        unfinished_before = self.transcript.unfinished
        for line in self.transcript.add(self._decoder.decode(text), self.seconds):
            self._judge(line, ended=True)
        unfinished = self.transcript.unfinished
        if unfinished and unfinished != unfinished_before:
            self._judge(unfinished, ended=False)
        return text

    def take_firmware(self, data: bytes) -> None:
        """Takes what the firmware said on its debug port."""
        for line in self._firmware.add(data.decode(errors="replace"), self.seconds):
            self._judge(line, ended=True)

    def stuck(self, what: str, seconds: float) -> GuestFailed | MachineLost:
        """The error for a guest that did not get on for `seconds`: its own fault, unless it was starved."""
        if self._waits_for:
            what = f"{what}; it waits: {self._waits_for}"
        return self._blamed(what, seconds)

    def _judge(self, line: str, *, ended: bool) -> None:
        if _WAITING_LINE.search(line):
            self._waits_for = line.strip()
            self._wait_ends_at = time.monotonic() + _seconds_left(line)
        elif _WORD.search(line) and self._is_new(line, ended=ended):
            self._progress_at = time.monotonic()
            self._waits_for = ""
            self._wait_ends_at = 0.0
        bad = self.scanner.scan(line, self.phases.phase, ended=ended)
        if bad is not None and not self.fatal:
            self._sound(bad)
        self.phases.observe(line, self.seconds)
        self._note_delay()

    def _note_delay(self) -> None:
        phase = self.phases.phase
        if self._hunger is None or phase in self._delays or phase is Phase.FIRMWARE:
            return
        waited = self._hunger.waited_seconds()
        if waited is not None:
            self._delays[phase] = waited

    def _is_new(self, line: str, *, ended: bool) -> bool:
        # After the login prompt the console carries commands and their answers, which may well repeat.
        if not ended or self.phases.phase is Phase.LOGIN:
            return True
        said = _TIMESTAMP.sub("", line)
        self._said[said] += 1
        return self._said[said] <= _MOST_REPEATS

    def _sound(self, bad: BadPattern) -> None:
        excuse = self._excuse() if bad.starvation else None
        if excuse is not None and bad.fatal:
            self.alarm = MachineLost(f"{bad.cause}; {excuse}", self.circumstances)
            self.fatal = True
            return
        if excuse is not None:
            # The guest lives and gets on as soon as the host lets it: no reason to end the wait for it.
            self.excused += 1
            self.mark(f"not counted, because {excuse}: {bad.cause}")
            return
        self.alarm = GuestFailed(bad.cause, self.circumstances)
        self.fatal = bad.fatal

    def _excuse(self) -> str | None:
        """Why a processor may be stuck without any fault of the guest's; None if nothing excuses it."""
        if self._emulated:
            # Measured: with three machines on two cores, the ticks that a guest of TCG has to catch up with have
            # kept its other work from running for 21 s, though the host let it run for most of the time.
            return "an emulated processor has to catch up with the clock"
        return None if self._hunger is None else self._hunger.stalled(_STALL_SECONDS)

    def _blamed(self, what: str, seconds: float) -> GuestFailed | MachineLost:
        starved = self._hunger.starved(seconds) if self._hunger is not None else None
        if starved is not None:
            return MachineLost(f"{what}; {starved}", self.circumstances)
        return GuestFailed(what, self.circumstances)


def _seconds_left(line: str) -> float:
    """How long a job that systemd waits for may still take; 0 where no limit is told."""
    times = _JOB_TIMES.search(line)
    if times is None:
        return 0.0
    elapsed, limit = (sum(int(n) * _SECONDS[unit] for n, unit in _TIME.findall(text)) for text in times.groups())
    return max(0.0, limit - elapsed)
