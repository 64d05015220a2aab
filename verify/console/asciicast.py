"""The console as a recording that can be played: asciicast v2 (docs.asciinema.org/manual/asciicast/v2).

Raw bytes with their escape sequences, so that GRUB's menu is drawn as it was, and a marker for every check.
What the transcript hides is hidden here too: an echoed password, and the frames of the shell protocol, which
carry output that may hold secrets.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from verify.console.transcript import CARRIED, MASK

# What GRUB and a getty on a serial line take for granted.
_COLUMNS = 80
_LINES = 24
# A line is held until its end, because only then is it known whether it is a frame; one that never ends
# (a menu that draws with cursor moves, a guest that prints zeros) must not fill the memory.
_LONGEST_HELD = 16384
# An emulated serial line arrives byte by byte; nobody sees more than so many pictures a second.
_ONE_FRAME_SECONDS = 0.02
_FRAME_BEGIN = re.compile(r"%[a-z0-9]{8}(?: |42)")
_KERNEL_LINE = re.compile(r"\[ *\d+\.\d{6}\] ")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/=]+")
_CHECKSUM = re.compile(r"\A[0-9a-f]{64}  \d\d\Z")


@dataclass(frozen=True)
class _Piece:
    """Part of a line, and when it was said."""

    seconds: float
    text: str


class Asciicast:
    """Writes what a console says to `file`, as an asciicast of 80 x 24 characters.

    Raises `OSError` when the file cannot be written.
    """

    def __init__(self, file: Path, title: str) -> None:
        self._file: TextIO | None = file.open("w", encoding="utf-8")
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held: list[_Piece] = []
        self._held_characters = 0
        self._secret: str | None = None
        self._frame_cut = False
        self._last_seconds = 0.0
        header = {"version": 2, "width": _COLUMNS, "height": _LINES, "timestamp": int(time.time()), "title": title}
        self._write_json(header)

    def add(self, data: bytes, seconds: float) -> None:
        """Takes raw bytes that were said `seconds` after the start."""
        *complete, rest = self._decoder.decode(data).split("\n")
        for line in complete:
            self._hold(seconds, f"{line}\n")
            self._release()
        self._hold(seconds, rest)
        if self._held_characters > _LONGEST_HELD:
            self._release()

    def mark(self, text: str, seconds: float) -> None:
        """A marker, which players show as a breakpoint with `text`."""
        self._write_event(seconds, "m", text)

    def guard(self, secret: str | None) -> None:
        """From now on masks `secret`, should the guest echo it; None ends that."""
        if secret is None and self._secret is not None:
            self._mask_held()
        self._secret = secret

    def close(self) -> None:
        """Writes out what is left; later calls change nothing."""
        if self._file is None:
            return
        # A full disk has been told when it happened.
        with contextlib.suppress(OSError):
            self._release()
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = None

    def _hold(self, seconds: float, text: str) -> None:
        if not text:
            return
        self._held_characters += len(text)
        if self._held and seconds - self._held[-1].seconds < _ONE_FRAME_SECONDS:
            last = self._held.pop()
            seconds, text = last.seconds, last.text + text
        self._held.append(_Piece(seconds, text))

    def _release(self) -> None:
        """Writes the held line, or what of it is the guest's own."""
        self._mask_held()
        line = "".join(piece.text for piece in self._held)
        shown = self._without_frames(line)
        if shown == line:
            for piece in self._held:
                self._write_event(piece.seconds, "o", piece.text)
        elif shown.strip():
            self._write_event(self._held[0].seconds, "o", shown)
        self._held = []
        self._held_characters = 0

    def _mask_held(self) -> None:
        line = "".join(piece.text for piece in self._held)
        if self._secret and self._secret in line:
            self._held = [_Piece(self._held[0].seconds, line.replace(self._secret, MASK))]

    def _without_frames(self, line: str) -> str:
        """`line` without what the harness and its helper say to each other.

        A kernel message may have cut a frame in two: then its rest, which has no mark of its own, is what
        the next line begins with.
        """
        end = line[len(line.rstrip("\r\n")) :]
        body = line.rstrip("\r\n")
        if self._frame_cut and not _FRAME_BEGIN.search(body):
            self._frame_cut = False
            body = _BASE64_RUN.sub("", body, count=1) if _BASE64_RUN.match(body) else body
            return body + end if body else ""
        begin = _FRAME_BEGIN.search(body)
        if begin is None:
            return "" if _CHECKSUM.match(body) else line
        frame = body[begin.start() :]
        self._frame_cut = CARRIED.fullmatch(frame) is None
        kernel = _KERNEL_LINE.search(frame)
        kept = body[: begin.start()] + (frame[kernel.start() :] if kernel else "")
        return kept + end if kept.strip() else ""

    def _write_event(self, seconds: float, code: str, text: str) -> None:
        self._last_seconds = max(self._last_seconds, seconds)
        self._write_json([round(self._last_seconds, 6), code, text])

    def _write_json(self, value: object) -> None:
        if self._file is not None:
            self._file.write(f"{json.dumps(value)}\n")
            self._file.flush()
