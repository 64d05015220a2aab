"""What kind of host a machine ran on: boot times are only comparable within one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HostClass:
    """The processor's model, the accelerator, how many processors QEMU may use, and QEMU's version."""

    cpu: str
    accelerator: str
    cores: int
    qemu: str

    @property
    def key(self) -> str:
        """Names the class, in a baseline and to people."""
        cores = f"{self.cores} core{'s' if self.cores != 1 else ''}"
        return f"{self.cpu}, {cores}, QEMU {self.qemu} with {self.accelerator}"


def host_class(accelerator: str, qemu_version: str) -> HostClass:
    """The class of this host, for machines with that accelerator and QEMU."""
    cpu = cpu_model(Path("/proc/cpuinfo").read_text())
    return HostClass(cpu, accelerator, len(os.sched_getaffinity(0)), qemu_version)


def cpu_model(cpuinfo: str) -> str:
    """The first model that /proc/cpuinfo names (proc_cpuinfo(5)); "unknown" where it names none, as on ARM."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    return "unknown"
