"""Whether a slow guest is the medium's fault or only gets no processor time from a busy host."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_WINDOW_SAMPLES = 600
# Below this share of the processor time it asked for, a guest's own timeouts begin to fire.
_STARVED_SHARE = 0.25
# Of the time in which a kernel saw no progress: with a third less of it, there would have been no complaint.
_STALLED_SHARE = 0.3
_FEWEST_SAMPLES = 5
# A guest that waits for a device keeps looking for it: dracut's initqueue takes some 0.45 of an emulated
# processor (calculated from a measurement on a busy host). A guest at work wants a whole one, or reads.
_IDLE_SHARE = 0.6
_IDLE_READ_BYTES = 1 << 20
# Samples come about once a second, later on a busy host: so much of a window may lie before and after them.
_UNSEEN_SECONDS = 4.0


@dataclass(frozen=True)
class _Sample:
    """What has been used so far, and how many threads wanted to run, or waited for a disk, at this moment.

    `waited` has for each thread the nanoseconds that it has been kept waiting for a processor.
    """

    at: float
    processor_seconds: float
    runnable: int
    at_disk: int
    read_bytes: int | None
    waited: Mapping[str, int]


class ProcessorHunger:
    """Compares the processor time a process wanted with what it got, from samples taken about once a second.

    A thread that waits for a processor is in state R like one that has it (proc_pid_stat(5)), so the mean
    number of R threads is the demand; the growth of utime and stime is what was served. Works without
    CONFIG_SCHEDSTATS.
    """

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._stat = Path(f"/proc/{pid}/stat")
        self._io = Path(f"/proc/{pid}/io")
        self._samples: deque[_Sample] = deque(maxlen=_WINDOW_SAMPLES)
        self._waited_before: dict[str, int] = {}
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")

    def sample(self) -> None:
        """Takes one sample; does nothing once the process is gone."""
        try:
            after_name = self._stat.read_text().rpartition(")")[2].split()
            states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in self._tasks.iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            return
        # Fields 14 and 15 of proc_pid_stat(5), counted from the state, which is field 3.
        used = (int(after_name[11]) + int(after_name[12])) / self._ticks_per_second
        wanting = (states.count("R"), states.count("D"))
        self._samples.append(_Sample(time.monotonic(), used, *wanting, self._read_bytes(), self._waited_nanoseconds()))

    def waited_seconds(self) -> float | None:
        """How long the process was kept waiting for a processor since `start_waiting`; None where nobody counts.

        That of its threads which waited longest: a guest's own pace is its virtual processor's thread, and
        to add up what several threads waited at the same time would excuse too much. From schedstat
        (Documentation/scheduler/sched-stats.rst), which Linux has with CONFIG_SCHED_INFO.
        """
        return _longest_wait(self._waited_before, self._waited_nanoseconds())

    def stalled(self, seconds: float) -> str | None:
        """A sentence if the host kept the process from running for a good part of the last `seconds`.

        That is less than `starved` asks for: a kernel that sees no progress for 20 s by the clock, which goes on
        while the host runs others, complains of a processor that is stuck.
        """
        samples = self._last(seconds)
        if len(samples) < _FEWEST_SAMPLES:
            return None
        elapsed = samples[-1].at - samples[0].at
        waited = _longest_wait(samples[0].waited, samples[-1].waited)
        if waited is None:
            return self.starved(seconds)
        if waited < elapsed * _STALLED_SHARE:
            return None
        return f"the host kept the guest waiting for {waited:.0f} of {elapsed:.0f} s"

    def start_waiting(self) -> None:
        """Makes this moment the start for `waited_seconds`."""
        self._waited_before = self._waited_nanoseconds()

    def _waited_nanoseconds(self) -> dict[str, int]:
        waited = {}
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in self._tasks.iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    waited[task.name] = int((task / "schedstat").read_text().split()[1])
        return waited

    def starved(self, seconds: float) -> str | None:
        """A sentence if the process got less than a quarter of what it wanted in the last `seconds`."""
        samples = self._last(seconds)
        if len(samples) < _FEWEST_SAMPLES:
            return None
        elapsed = samples[-1].at - samples[0].at
        got = (samples[-1].processor_seconds - samples[0].processor_seconds) / elapsed
        wanted = sum(sample.runnable for sample in samples) / len(samples)
        if wanted < 0.5 or got >= wanted * _STARVED_SHARE:
            return None
        return f"the guest wanted {wanted:.1f} processors and got {got:.2f} for {elapsed:.0f} s"

    def idle(self, seconds: float) -> bool:
        """Whether the process hardly wanted a processor, and read nothing, in all of the last `seconds`.

        On a busy host, where a thread with little to do still waits for its turn, the answer is no.
        """
        samples = self._last(seconds)
        if len(samples) < _FEWEST_SAMPLES or samples[-1].at - samples[0].at < seconds - _UNSEEN_SECONDS:
            return False
        first, last = samples[0].read_bytes, samples[-1].read_bytes
        if first is None or last is None or last - first > _IDLE_READ_BYTES:
            return False
        return sum(sample.runnable + sample.at_disk for sample in samples) / len(samples) < _IDLE_SHARE

    def _last(self, seconds: float) -> list[_Sample]:
        begin = time.monotonic() - seconds
        return [sample for sample in self._samples if sample.at >= begin]

    def _read_bytes(self) -> int | None:
        """rchar of proc_pid_io(5); None where it may not be read."""
        try:
            return int(self._io.read_text().split()[1])
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            return None


def _longest_wait(before: Mapping[str, int], now: Mapping[str, int]) -> float | None:
    """Seconds that the thread which waited longest has waited in between; None where nobody counts."""
    growth = [nanoseconds - before.get(task, 0) for task, nanoseconds in now.items()]
    return max(growth) / 1e9 if growth else None
