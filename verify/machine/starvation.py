"""Whether a slow guest is the medium's fault or only gets no processor time from a busy host."""

from __future__ import annotations

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
