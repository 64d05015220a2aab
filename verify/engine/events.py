"""What happens in the workers, told line by line to one file, which the display and the report read.

One JSON object per line. Every line is written by one ``write(2)`` to a file opened for appending, so that
lines of several workers do not mix. A worker that dies leaves all it has told so far.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from verify.machine.host_class import HostClass
from verify.outcome import Outcome


@dataclass(frozen=True)
class Selected:
    """The checks of one cell that this run makes, by id; told before the first begins."""

    cell: str
    checks: tuple[str, ...]
    kind: Literal["selected"] = "selected"


@dataclass(frozen=True)
class CheckBegun:
    """A check has begun; `at` is in seconds since the epoch."""

    cell: str
    check: str
    at: float = field(default_factory=time.time)
    kind: Literal["check begun"] = "check begun"


@dataclass(frozen=True)
class CheckEnded:
    """A check has ended."""

    outcome: Outcome
    kind: Literal["check ended"] = "check ended"


@dataclass(frozen=True)
class PhaseReached:
    """A machine has come to a phase of its boot, `seconds` after its start.

    `delay` is for how many of them the host kept it waiting for a processor; None where that is not known.
    """

    cell: str
    phase: str
    seconds: float
    delay: float | None = None
    kind: Literal["phase reached"] = "phase reached"


@dataclass(frozen=True)
class MachineStarted:
    """A machine has been started, with the command line that starts it by hand.

    `time_scale` is how much slower than with KVM it is expected to be.
    """

    cell: str
    accelerator: str
    accelerator_reason: str
    command_line: tuple[str, ...]
    at: float = field(default_factory=time.time)
    host_class: HostClass | None = None
    time_scale: float = 1.0
    kind: Literal["machine started"] = "machine started"


@dataclass(frozen=True)
class ShellOpened:
    """The harness is logged in: as whom, how it becomes root, by which means, and what that has changed."""

    cell: str
    user: str
    privilege: str
    access: str = ""
    changes: str = ""
    kind: Literal["shell opened"] = "shell opened"


@dataclass(frozen=True)
class AccessFailed:
    """A way into the machine has not served, and why; `next` is the means tried instead."""

    cell: str
    reason: str
    next: str
    kind: Literal["access failed"] = "access failed"


@dataclass(frozen=True)
class Screenshot:
    """The machine's screen, in a file whose name is relative to the report directory."""

    cell: str
    file: str
    kind: Literal["screenshot"] = "screenshot"


@dataclass(frozen=True)
class MachineIdRead:
    """The machine has an id, of which only a digest is told (`verify.engine.machine_ids`)."""

    cell: str
    digest: str
    kind: Literal["machine id read"] = "machine id read"


@dataclass(frozen=True)
class Noted:
    """Something about the evidence itself: what is missing of it, and why."""

    cell: str
    text: str
    kind: Literal["noted"] = "noted"


@dataclass(frozen=True)
class MachineEnded:
    """A machine is gone."""

    cell: str
    at: float = field(default_factory=time.time)
    kind: Literal["machine ended"] = "machine ended"


Event = (
    Selected
    | CheckBegun
    | CheckEnded
    | PhaseReached
    | MachineStarted
    | ShellOpened
    | AccessFailed
    | Screenshot
    | MachineIdRead
    | Noted
    | MachineEnded
)
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def tell(file: Path, event: Event) -> None:
    """Appends `event` to the events file."""
    line = _EVENT.dump_json(event) + b"\n"
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


@dataclass
class EventReader:
    """Reads an events file while it grows; the last line may still be in the making."""

    file: Path
    _offset: int = 0

    def new(self) -> Iterator[Event]:
        """The events told since the last call, whole lines only."""
        if not self.file.exists():
            return
        with self.file.open("rb") as opened:
            opened.seek(self._offset)
            for line in opened:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield _EVENT.validate_json(line)
