"""How much of this host is ours: its memory and cores, or what a container leaves us of them.

The control groups that a process is in bound it, each one on the way up to the root: cgroups(7), and "memory.max",
"memory.current", "memory.stat" and "cpu.max" in the kernel's Documentation/admin-guide/cgroup-v2.rst; for
version 1 "memory.limit_in_bytes", "memory.usage_in_bytes", "cpu.cfs_quota_us".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_MIB = 1 << 20


@dataclass(frozen=True)
class Host:
    """Where the kernel tells of the host; another root than / is for tests."""

    root: Path = Path("/")

    def available_memory_mib(self) -> int:
        """MiB that programs can still get: MemAvailable of proc_meminfo(5), or less where a control group says so."""
        found = [_memory_available(self.root / "proc/meminfo")]
        for directory in self._groups("memory"):
            limit = _number(directory / "memory.max", directory / "memory.limit_in_bytes")
            if limit is not None:
                used = _number(directory / "memory.current", directory / "memory.usage_in_bytes") or 0
                # What was read from files counts as used there, and is given up when it is needed.
                found.append(limit - max(0, used - _reclaimable(directory / "memory.stat")))
        return max(0, min(found)) // _MIB

    def cores(self) -> int:
        """How many processors this process may keep busy, at least 1: its affinity, and quotas rounded down."""
        found = [float(len(os.sched_getaffinity(0)))]
        for directory in self._groups("cpu"):
            quota = _quota(directory)
            if quota is not None:
                found.append(quota)
        return max(1, int(min(found)))

    def _groups(self, controller: str) -> Iterator[Path]:
        """The directories of our own control group and of all above it, of version 2 or of `controller`'s version 1."""
        try:
            lines = (self.root / "proc/self/cgroup").read_text().splitlines()
        except OSError:
            return
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            top = self.root / "sys/fs/cgroup" / (controller if controllers else "")
            below = PurePosixPath(path).relative_to("/")
            # In a container the path can be the host's, while only the container's own group is mounted.
            yield from (top / part for part in (below, *below.parents) if (top / part).is_dir())


THIS_HOST = Host()


def _memory_available(meminfo: Path) -> int:
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _number(*files: Path) -> int | None:
    """The number in the first of `files` that is there; None for "max" and where there is none."""
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None


def _reclaimable(memory_stat: Path) -> int:
    """Bytes of files that nobody has used lately."""
    try:
        lines = memory_stat.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "total_inactive_file ")))


def _quota(directory: Path) -> float | None:
    """Processors' worth of time that the group gets; None without a bound."""
    try:
        quota, period = (directory / "cpu.max").read_text().split()
    except OSError:
        # Version 1 says -1 where there is no bound, which is no number here.
        numbers = _number(directory / "cpu.cfs_quota_us"), _number(directory / "cpu.cfs_period_us")
        return numbers[0] / numbers[1] if numbers[0] is not None and numbers[1] else None
    return None if quota == "max" else int(quota) / int(period)
