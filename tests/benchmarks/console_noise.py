"""How often a command over a noisy serial line comes back right, silently wrong, or as an error.

    python -m tests.benchmarks.console_noise [--commands 400] [--seed 1] [--shell dash]

Runs commands with 1 byte to 1 MiB of binary output and input through real shells on pseudo-terminals, for
each rate of noise, and prints one row per cell. Exit code 1 if anything was silently wrong, or an error at
the rates that are promised.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import statistics
import sys
import time
from dataclasses import dataclass, field

from tests.verify_console.noisy_line import Noise, login_shell
from verify.console.shell import CommandResult, Shell
from verify.deadline import Deadline
from verify.verdict import HarnessFault

# The first four are the rates at which two simpler protocols were measured to lie; the others are worse.
PROMISED = (Noise(), Noise(0.0005), Noise(0.002), Noise(0.0005, input_lost=0.001))
HARDER = (Noise(0.002, 0.001, 0.0005), Noise(0.005, 0.002, 0.001))
SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1 << 20)
# Most commands of a verification say little; large ones are what breaks a protocol.
WEIGHTS = (20, 30, 25, 15, 8, 1.5, 0.5)
LARGE_BYTES = 100_000
SHELLS = ("dash", "bash", "busybox")
_OPENING_SECONDS = 300.0
_COMMAND_SECONDS = 600.0


@dataclass
class Cell:
    """What came of the commands at one rate of noise."""

    right: int = 0
    wrong: int = 0
    errors: int = 0
    seconds: list[float] = field(default_factory=list)

    def row(self, shell: str, noise: Noise) -> str:
        median = statistics.median(self.seconds) if self.seconds else 0.0
        worst = max(self.seconds, default=0.0)
        rates = f"{noise.kernel_lines:<8g} {noise.input_lost:<8g} {noise.output_lost:<8g}"
        return f"{shell:8} {rates} {self.right:6} {self.wrong:14} {self.errors:7} {median:9.3f} {worst:8.2f}"


@dataclass(frozen=True)
class Task:
    """A command whose result is known beforehand."""

    command: str
    stdin: bytes
    exit_code: int
    stdout: bytes
    stderr: bytes

    def is_done_by(self, result: CommandResult) -> bool:
        """Whether `result` is right in every byte."""
        found = (result.exit_code, result.stdout, result.stderr)
        return found == (self.exit_code, self.stdout, self.stderr)


def make_task(generator: random.Random) -> Task:
    """A task of a random size: output made in the guest, or input echoed, with some words on stderr."""
    size = generator.choices(SIZES, WEIGHTS)[0]
    exit_code = generator.randrange(256)
    words = generator.randbytes(generator.choice((0, 0, 3, 200))).hex()
    end = f"; printf %s {words} >&2; exit {exit_code}" if words else f"; exit {exit_code}"
    # A large input takes the guest long to read; a quarter of them is enough.
    if generator.random() < (0.5 if size < LARGE_BYTES else 0.25):
        data = generator.randbytes(size)
        return Task(f"cat{end}", data, exit_code, data, words.encode())
    word = f"{generator.getrandbits(64):016x}"
    block = b"".join(hashlib.sha256(f"{word}{number}".encode()).digest() for number in range(32))
    octal = "".join(f"\\{byte:03o}" for byte in block)
    command = (
        f"b='{octal}'; i=0; while [ $i -lt {-(-size // len(block))} ]; do printf \"$b\"; i=$((i+1)); done"
        f" | head -c {size}"
    )
    return Task(f"{command}{end}", b"", exit_code, (block * (size // len(block) + 1))[:size], words.encode())


def run_cell(shell_name: str, noise: Noise, commands: int, seed: int) -> Cell:
    """Runs `commands` random commands in one session and counts how they come back."""
    cell = Cell()
    generator = random.Random(f"{shell_name} {noise} {seed}")
    with login_shell(shell_name, noise=noise, seed=generator.getrandbits(32)) as (console, _, _):
        shell = Shell.open(console, Deadline(_OPENING_SECONDS))
        for _ in range(commands):
            task = make_task(generator)
            begin = time.monotonic()
            try:
                result = shell.run(task.command, stdin=task.stdin, timeout=_COMMAND_SECONDS)
            except HarnessFault as error:
                cell.errors += 1
                print(f"  {str(error).splitlines()[0]}", file=sys.stderr)
                continue
            finally:
                cell.seconds.append(time.monotonic() - begin)
            if task.is_done_by(result):
                cell.right += 1
            else:
                cell.wrong += 1
    return cell


def main() -> int:
    parser = argparse.ArgumentParser(description="measures the console protocol on a noisy line")
    parser.add_argument("--commands", type=int, default=400, help="commands in each cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shell", choices=SHELLS, action="append", help="default: all three")
    arguments = parser.parse_args()
    print("shell    noise    in lost  out lost  right silently wrong  errors  median s  worst s")
    broken = False
    for shell in arguments.shell or SHELLS:
        for noise in (*PROMISED, *HARDER):
            cell = run_cell(shell, noise, arguments.commands, arguments.seed)
            print(cell.row(shell, noise), flush=True)
            broken |= cell.wrong > 0 or (cell.errors > 0 and noise in PROMISED)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
