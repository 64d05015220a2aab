"""What hostile configurations cost `mic validate`, beside one that asks for nothing.

    python -m tests.benchmarks.hostile_configurations [--runs 3]

Prints one row an input: the seconds that the program took and the processor seconds among them, both the median of
the runs, the most memory it had, and how much each is above that of the trivial configuration. On a busy machine the
processor seconds are the ones to compare. Exit code 1 if an input took more than a processor second above the trivial
configuration, or more than 200 MiB in all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.config.hostile import HOSTILE, Hostile

MOST_SECONDS = 1.0
MOST_MIB = 200.0
TRIVIAL = Hostile("{}, the trivial configuration", lambda: "{}", "valid")
# `mic`, which in the end notes the most memory that it had. Not from wait4: what this process has counts in there.
PROGRAM = """
import atexit, os
from mic.cli import main
def note():
    with open("/proc/self/status") as status, open(os.environ["PEAK"], "w") as peak:
        peak.writelines(line for line in status if line.startswith("VmHWM:"))
atexit.register(note)
main()
"""
NAME_WIDTH = max(len(hostile.name) for hostile in HOSTILE)


@dataclass(frozen=True)
class Cost:
    """Seconds from start to end, seconds of a processor, and the largest resident set."""

    wall_seconds: float
    cpu_seconds: float
    mib: float

    def row(self, name: str, trivial: Cost | None) -> str:
        figures = f"{name:{NAME_WIDTH}} {self.wall_seconds:8.2f} {self.cpu_seconds:8.2f} {self.mib:8.0f}"
        if trivial is None:
            return figures
        return f"{figures} {self.cpu_seconds - trivial.cpu_seconds:+9.2f} {self.mib - trivial.mib:+9.0f}"


def cost_of(hostile: Hostile, runs: int) -> Cost:
    """Runs `mic validate` as its users do; raises `RuntimeError` where the answer is not the one expected."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        file = hostile.write(directory)
        costs = [_cost_of_one(file, directory / "answer") for _ in range(runs)]
        if hostile.complaint not in (directory / "answer").read_text():
            raise RuntimeError(f"{hostile.name}: another answer than {hostile.complaint}")
    return Cost(
        statistics.median(cost.wall_seconds for cost in costs),
        statistics.median(cost.cpu_seconds for cost in costs),
        max(cost.mib for cost in costs),
    )


def _cost_of_one(file: Path, answer: Path) -> Cost:
    command = [sys.executable, "-c", PROGRAM, "validate", "--config-file", str(file)]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    # Both streams into one file: a pipe would have to be read beside it, and that costs a processor, too.
    actions = [(os.POSIX_SPAWN_OPEN, 1, str(answer), flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]
    begin = time.monotonic()
    process = os.posix_spawn(
        sys.executable, command, os.environ | {"PEAK": str(answer) + ".peak"}, file_actions=actions
    )
    _, _, usage = os.wait4(process, 0)
    seconds = time.monotonic() - begin
    peak_kib = int(Path(f"{answer}.peak").read_text().split()[1])
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak_kib / 1024)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often each input is given")
    runs = parser.parse_args().runs
    print(f"{'input':{NAME_WIDTH}} {'wall s':>8} {'cpu s':>8} {'MiB':>8} {'cpu above':>9} {'MiB above':>9}")
    trivial = cost_of(TRIVIAL, runs)
    print(trivial.row(TRIVIAL.name, None), flush=True)
    is_kept = True
    for hostile in HOSTILE:
        cost = cost_of(hostile, runs)
        print(cost.row(hostile.name, trivial), flush=True)
        is_kept &= cost.cpu_seconds - trivial.cpu_seconds <= MOST_SECONDS and cost.mib <= MOST_MIB
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
