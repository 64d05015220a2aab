"""Whether a slow guest is the medium's fault or only gets no processor time from a busy host."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

_WINDOW_SAMPLES = 600
# Below this share of the processor time it asked for, a guest's own timeouts begin to fire.
_STARVED_SHARE = 0.25
_FEWEST_SAMPLES = 5


@dataclass(frozen=True)
class _Sample:
    """Processor seconds used so far, and how many threads wanted to run at this moment."""

    at: float
    processor_seconds: float
    runnable: int


class ProcessorHunger:
    """Compares the processor time a process wanted with what it got, from samples taken about once a second.

    A thread that waits for a processor is in state R like one that has it (proc_pid_stat(5)), so the mean
    number of R threads is the demand; the growth of utime and stime is what was served. Works without
    CONFIG_SCHEDSTATS.
    """

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._stat = Path(f"/proc/{pid}/stat")
        self._samples: deque[_Sample] = deque(maxlen=_WINDOW_SAMPLES)
        self._waited_before: dict[str, int] = {}
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")

    def sample(self) -> None:
        """Takes one sample; does nothing once the process is gone."""
        try:
            after_name = self._stat.read_text().rpartition(")")[2].split()
            runnable = sum(
                (task / "stat").read_text().rpartition(")")[2].split()[0] == "R" for task in self._tasks.iterdir()
            )
        except (FileNotFoundError, ProcessLookupError):
            return
        # Fields 14 and 15 of proc_pid_stat(5), counted from the state, which is field 3.
        used = (int(after_name[11]) + int(after_name[12])) / self._ticks_per_second
        self._samples.append(_Sample(time.monotonic(), used, runnable))

    def waited_seconds(self) -> float | None:
        """How long the process was kept waiting for a processor since `start_waiting`; None where nobody counts.

        That of its threads which waited longest: a guest's own pace is its virtual processor's thread, and
        to add up what several threads waited at the same time would excuse too much. From schedstat
        (Documentation/scheduler/sched-stats.rst), which Linux has with CONFIG_SCHED_INFO.
        """
        waited = self._waited_nanoseconds()
        growth = [nanoseconds - self._waited_before.get(task, 0) for task, nanoseconds in waited.items()]
        return max(growth) / 1e9 if growth else None

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
        begin = time.monotonic() - seconds
        samples = [sample for sample in self._samples if sample.at >= begin]
        if len(samples) < _FEWEST_SAMPLES:
            return None
        elapsed = samples[-1].at - samples[0].at
        got = (samples[-1].processor_seconds - samples[0].processor_seconds) / elapsed
        wanted = sum(sample.runnable for sample in samples) / len(samples)
        if wanted < 0.5 or got >= wanted * _STARVED_SHARE:
            return None
        return f"the guest wanted {wanted:.1f} processors and got {got:.2f} for {elapsed:.0f} s"
