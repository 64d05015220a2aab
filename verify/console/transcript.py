"""What the console said, line by line with the time, for people to read afterwards.

The raw bytes are kept by QEMU itself (the character device's `logfile=`); this is the readable copy.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from pathlib import Path
from typing import TextIO

# A carriage return at the very end may be half of a line end that is still on its way.
_LINE_END = re.compile(r"\r*\n|\r+(?=[^\r\n])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_WORD = re.compile(r"\w")
# The frames that carry commands and their output (frames.py, upload.py): thousands of lines that say nothing
# to a reader. The raw log has them, and whoever runs a command marks it here.
CARRIED = re.compile(
    r"%\w{8} (?:l \d{5}:[A-Za-z0-9+/=]+|s \d+ [0-9a-f-]+|n [ci][ \d]+|[mbkvf])|%\w{8}42|[0-9a-f]{64}  \d\d"
)
_KEPT_LINES = 200
# A line that never ends must not fill the memory: a guest that prints zeros.
_LONGEST_LINE = 16384
MASK = "(masked)"


class Transcript:
    """Cuts text into lines and writes each to a log, with the seconds at which it began."""

    def __init__(self, log: Path | None = None) -> None:
        self._file: TextIO | None = None if log is None else log.open("w", encoding="utf-8")
        self._unfinished = ""
        self._unfinished_since = 0.0
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._secret: str | None = None
        self.secret_seen = False

    def add(self, text: str, seconds: float) -> tuple[str, ...]:
        """Takes text seen at `seconds` after the start; returns the lines it has completed."""
        if not self._unfinished:
            self._unfinished_since = seconds
        *complete, self._unfinished = _LINE_END.split(self._unfinished + text)
        if len(self._unfinished) > _LONGEST_LINE:
            complete.append(self._unfinished)
            self._unfinished = ""
        for number, line in enumerate(complete):
            self._write(line, self._unfinished_since if number == 0 else seconds)
        if complete:
            self._unfinished_since = seconds
        return tuple(self._without_secret(line) for line in complete)

    def mark(self, text: str, seconds: float) -> None:
        """Writes a line of the harness's own between those of the console."""
        if self._file is not None:
            self._file.write(f"[{seconds:10.3f}] === {text}\n")
            self._file.flush()

    @property
    def unfinished(self) -> str:
        """The line that has not ended yet: where a prompt waits."""
        return self._without_secret(self._unfinished)

    def guard(self, secret: str | None) -> None:
        """From now on masks `secret`, should the guest echo it; None ends that.

        `secret_seen` tells afterwards whether it had to.
        """
        if secret is None and self._secret is not None:
            self._unfinished = self._without_secret(self._unfinished)
        if secret is not None:
            self.secret_seen = False
        self._secret = secret

    def _without_secret(self, line: str) -> str:
        if not self._secret or self._secret not in line:
            return line
        self.secret_seen = True
        return line.replace(self._secret, MASK)

    def last_lines(self, count: int) -> tuple[str, ...]:
        """Up to `count` of the latest lines that are not empty, the unfinished one included."""
        unfinished = _CONTROL.sub("", self.unfinished)
        lines = [*self._last, unfinished] if unfinished.strip() else list(self._last)
        return tuple(lines[-count:])

    def close(self) -> None:
        """Writes out what is left; later calls change nothing."""
        if self._file is None:
            return
        # A log that cannot be written has been told when it happened, and is no reason to stop tidying up.
        with contextlib.suppress(OSError):
            if self._unfinished:
                self._write(self._unfinished, self._unfinished_since)
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = None

    def _write(self, line: str, seconds: float) -> None:
        line = _CONTROL.sub("", self._without_secret(line))
        if not _WORD.search(line) or CARRIED.fullmatch(line):
            return
        self._last.append(line)
        if self._file is not None:
            self._file.write(f"[{seconds:10.3f}] {line}\n")
            self._file.flush()
