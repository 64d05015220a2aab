"""What a long run says while it runs, and how long each stage took."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO


def can_rewrite_lines(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that understands escape sequences; a log or a dumb one gets plain lines."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


@dataclass
class Progress:
    """Stages of the work, shown as they begin and end: rewritten lines on a terminal, plain lines in a log.

    Safe to use from several threads, for stages that run side by side. `least` is the least level of `logging`
    that is shown: stages and notes are information.
    """

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    least: int = logging.INFO
    timings: list[tuple[str, float]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _running: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block; `name` says in the user's words what it does. Nothing is noted if it fails."""
        begin = time.monotonic()
        with self._lock:
            self._running.append(name)
            self._show_running()
        try:
            yield
        except BaseException:
            with self._lock:
                self._running.remove(name)
                self._clear()
            raise
        with self._lock:
            seconds = time.monotonic() - begin
            self._running.remove(name)
            self.timings.append((name, seconds))
            self._say(f"{name}: done in {seconds:.1f} s", logging.INFO)

    def note(self, text: str) -> None:
        """A line worth keeping: what was found, what was chosen and why."""
        with self._lock:
            self._say(text, logging.INFO)

    def warn(self, text: str) -> None:
        """A line the user should act on or know."""
        with self._lock:
            self._say(f"warning: {text}", logging.WARNING)

    def summary(self) -> str:
        """All stages with their seconds, and the total."""
        rows = [*self.timings, ("total", time.monotonic() - self._started)]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"  {name:<{width}}  {seconds:6.1f} s" for name, seconds in rows)

    def _say(self, text: str, level: int) -> None:
        if level < self.least:
            return
        self._clear()
        self.stream.write(f"{text}\n")
        self._show_running()
        self.stream.flush()

    def _clear(self) -> None:
        if self._rewrites_lines:
            self.stream.write("\r\x1b[K")

    def _show_running(self) -> None:
        if self._running and self._rewrites_lines:
            elapsed = time.monotonic() - self._started
            self.stream.write(f"\r\x1b[K[{elapsed:5.1f} s] {', '.join(self._running)} ...")
            self.stream.flush()

    @property
    def _rewrites_lines(self) -> bool:
        return self.least <= logging.INFO and can_rewrite_lines(self.stream)
