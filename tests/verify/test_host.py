"""What a container leaves of a host decides how many machines run side by side, not what the host has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from verify.host import Host
from verify.machine.firmware import Firmware
from verify.plan import MachineCell, machines_side_by_side

MIB = 1 << 20
CORES = len(os.sched_getaffinity(0))


def host(root: Path, cgroup: str, files: dict[str, str]) -> Host:
    """A host with 16 GiB available, our control group and its files."""
    everything = {"proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {16 << 20} kB\n", "proc/self/cgroup": cgroup} | files
    for name, text in everything.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Host(root)


def test_host_without_control_groups_is_ours_as_a_whole(tmp_path: Path) -> None:
    found = host(tmp_path, "", {})
    assert found.available_memory_mib() == 16 << 10
    assert found.cores() == CORES


def test_container_of_version_2_is_bounded_by_its_memory_and_its_quota(tmp_path: Path) -> None:
    stat = f"anon 5\ninactive_file {100 * MIB}\n"
    files = {"memory.max": f"{2048 * MIB}", "memory.current": f"{600 * MIB}", "memory.stat": stat}
    files |= {"cpu.max": "150000 100000"}
    found = host(tmp_path, "0::/\n", {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    assert found.available_memory_mib() == 2048 - 500
    assert found.cores() == 1


def test_group_above_bounds_too(tmp_path: Path) -> None:
    found = host(
        tmp_path,
        "0::/kubepods/pod1\n",
        {
            "sys/fs/cgroup/kubepods/pod1/memory.max": "max\n",
            "sys/fs/cgroup/kubepods/memory.max": f"{512 * MIB}\n",
            "sys/fs/cgroup/kubepods/pod1/cpu.max": "max 100000\n",
        },
    )
    assert found.available_memory_mib() == 512
    assert found.cores() == CORES


def test_group_of_the_host_that_is_not_mounted_here_is_passed_over(tmp_path: Path) -> None:
    found = host(tmp_path, "0::/kubepods/pod1\n", {"sys/fs/cgroup/memory.max": f"{256 * MIB}\n"})
    assert found.available_memory_mib() == 256


def test_container_of_version_1_is_bounded_too(tmp_path: Path) -> None:
    files = {
        "memory/docker/memory.limit_in_bytes": f"{300 * MIB}",
        "memory/docker/memory.usage_in_bytes": f"{200 * MIB}",
        "memory/docker/memory.stat": f"total_inactive_file {50 * MIB}\n",
        "cpu/docker/cpu.cfs_quota_us": "-1",
        "cpu/docker/cpu.cfs_period_us": "100000",
    }
    cgroup = "5:memory:/docker\n4:cpu:/docker\n"
    found = host(tmp_path, cgroup, {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    assert found.available_memory_mib() == 150
    assert found.cores() == CORES


def test_less_than_one_processor_is_still_one_machine(tmp_path: Path) -> None:
    assert host(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.max": "20000 100000"}).cores() == 1


@pytest.mark.parametrize(("limit", "machines"), [(4096, 2), (2048, 1), (100, 1)])
def test_memory_of_the_container_bounds_the_machines(tmp_path: Path, limit: int, machines: int) -> None:
    found = host(tmp_path, "0::/\n", {"sys/fs/cgroup/memory.max": str(limit * MIB)})
    cells = [MachineCell(Firmware.BIOS, memory_mib=1536)] * 2
    assert machines_side_by_side(cells, found) == min(machines, CORES)
