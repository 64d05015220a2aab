"""A machine that a person looks at: on a terminal, or as far as its login prompt where there is none."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mic import programs
from verify.console.escapes import EscapeStripper
from verify.console.login import wait_for_login_prompt
from verify.deadline import Deadline
from verify.machine.accelerator import probe_accelerator
from verify.machine.command_line import CHANNELS_BY_HAND, QEMU, hardware_arguments
from verify.machine.machine import Machine
from verify.machine.spec import Accelerator, MachineSpec
from verify.verdict import Verdict, VerifyError

# The last of several -action options counts: for a person, a machine restarts and switches itself off as a
# real one does, and a panic stays to be read.
_LIKE_A_REAL_ONE = ("-action", "reboot=reset,shutdown=poweroff,panic=none")
_CEILING_SECONDS = 300.0
_LOOK_EVERY_SECONDS = 0.1


def run_on_terminal(spec: MachineSpec) -> int:
    """Runs the machine until it ends or Ctrl-A X is typed; returns the exit code, 0 or 75.

    Raises `HostFault` when the host has no firmware for it.
    """
    accelerator = probe_accelerator(spec.firmware)
    _announce(spec, accelerator, "Ctrl-A X ends it, Ctrl-A C is QEMU's monitor")
    with tempfile.TemporaryDirectory(prefix="mic-boot-") as layers:
        code = programs.run_in_foreground(
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *(QEMU, *hardware_arguments(spec, accelerator), *_LIKE_A_REAL_ONE, *CHANNELS_BY_HAND),
            env={**os.environ, "TMPDIR": layers},
        )
    return 0 if code == 0 else Verdict.HOST_FAULT.exit_code


def show_boot(spec: MachineSpec, stream: IO[bytes]) -> int:
    """Shows the console on `stream` until the login prompt or a failure; returns the exit code of its verdict."""
    accelerator = probe_accelerator(spec.firmware)
    _announce(spec, accelerator, "shown until its login prompt, for lack of a terminal")
    with tempfile.TemporaryDirectory(prefix="mic-boot-") as name:
        evidence = Path(name)
        try:
            with Machine(spec, accelerator, evidence) as machine, _followed(evidence / "serial.log", stream):
                wait_for_login_prompt(machine.console, Deadline(_CEILING_SECONDS * accelerator.time_scale))
        except VerifyError as error:
            print(f"\nmic: {error.verdict.value}: {str(error).splitlines()[0]}", file=sys.stderr)
            return error.verdict.exit_code
    print("\nmic: the login prompt is there; the machine has been ended", file=sys.stderr)
    return 0


def _announce(spec: MachineSpec, accelerator: Accelerator, how: str) -> None:
    machine = f"{spec.firmware}, {spec.attachment}, {spec.memory_mib} MiB, {accelerator.name}: {accelerator.reason}"
    print(f"mic: booting {spec.medium.name} ({machine}); {how}", file=sys.stderr, flush=True)


@contextmanager
def _followed(log: Path, stream: IO[bytes]) -> Iterator[None]:
    """Copies what is added to `log` to `stream`, without escape sequences, while the block runs."""
    over = threading.Event()
    thread = threading.Thread(target=_follow, args=(log, stream, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(log: Path, stream: IO[bytes], over: threading.Event) -> None:
    stripper = EscapeStripper()
    with log.open("rb") as file:
        last_look = False
        while not last_look:
            last_look = over.wait(_LOOK_EVERY_SECONDS)
            stream.write(stripper.feed(file.read()))
            stream.flush()
