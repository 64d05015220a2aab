"""Terminal escape sequences, taken out of a copy of what the console said."""

from __future__ import annotations

import re

# ECMA-48: CSI ... final byte; OSC, DCS, PM, APC ... up to BEL or ST; two-byte sequences. A line feed ends a
# string that was never closed, because a kernel line may have cut it in two.
_SEQUENCE = re.compile(
    rb"\x1b(?:"
    rb"\[(?P<parameters>[0-9;:<=>?]*)[ -/]*(?P<final>[@-~])"
    rb"|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"
    rb"|[ -/]+[0-~]"
    rb"|[0-OQ-WYZ\\`-~]"
    rb")"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;:<=>?]*[ -/]*|[\]PX^_][^\x07\x1b\n]*\x1b?|[ -/]*)?\Z")
# A sequence that has not ended after so many bytes never will: systemd's OSC 3008, the longest in use,
# stays below 1,000.
_LONGEST_BYTES = 2048
# Cursor moves and clearing the screen begin a new line for a reader, or the words around them would join:
# GRUB's menu and EDK II draw with them.
_NEW_LINE_FINALS = b"HfJABEF"


class EscapeStripper:
    """Takes escape sequences out of a byte stream that arrives in pieces."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The text of `data`, without sequences; an unfinished one is held back until its end arrives."""
        data = self._held + data
        self._held = b""
        if b"\x1b" not in data:
            return data
        unfinished = _UNFINISHED.search(data)
        if unfinished is not None and len(data) - unfinished.start() <= _LONGEST_BYTES:
            self._held = data[unfinished.start() :]
            data = data[: unfinished.start()]
        return _SEQUENCE.sub(_replacement, data)


def without_escapes(data: bytes) -> bytes:
    """The text of a whole log, without sequences; one that its end cuts short is left out as well."""
    return EscapeStripper().feed(data)


def _replacement(match: re.Match[bytes]) -> bytes:
    final = match["final"]
    return b"\n" if final is not None and final in _NEW_LINE_FINALS else b""
