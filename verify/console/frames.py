"""The lines that go over the serial line, both ways, and what makes them trustworthy.

What is typed can lose bytes, what is shown can also gain some (kernel messages). A line's shape (fields of
fixed width, a length, the base64 alphabet) shows which line to ask for again; only the checksum over the
whole command, input or answer decides whether it is right. See helper.sh for the other side.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

NONCE_LENGTH = 8
_NONCE_LETTERS = string.ascii_lowercase + string.digits
# base64(1) of coreutils and of busybox both wrap at 76.
_BASE64_WIDTH = 76
_SECTION_END = "="
# Bounds one request for lines well below the 4,095 bytes of a canonical terminal line (n_tty).
_MOST_RANGES = 60
_WIDEST_GAP = 8


def new_nonce() -> str:
    """A word that no earlier request had."""
    return "".join(secrets.choice(_NONCE_LETTERS) for _ in range(NONCE_LENGTH))


def posix_cksum(data: bytes) -> str:
    """The checksum cksum(1) prints, and the size, as ``CRC-SIZE`` (POSIX, "cksum")."""
    crc = 0
    length = len(data)
    tail = length.to_bytes((length.bit_length() + 7) // 8, "little")
    for byte in data + tail:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC_TABLE[(crc >> 24) ^ byte]
    return f"{crc ^ 0xFFFFFFFF}-{length}"


def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        crc = index << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
        table.append(crc)
    return tuple(table)


_CRC_TABLE = _crc_table()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def checksums(data: bytes, kind: str) -> str:
    """The checksum of `data` as the helper computes it: `kind` is "sha256sum" or "cksum"."""
    return sha256(data) if kind == "sha256sum" else posix_cksum(data)


@dataclass(frozen=True)
class Upload:
    """A command or its input, cut into pieces of base64."""

    stream: str
    data: bytes
    piece_length: int

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return -(-len(self._text) // self.piece_length)

    @property
    def _text(self) -> str:
        return base64.b64encode(self.data).decode()

    def lines(self, nonce: str, wanted: frozenset[int] | None = None) -> Iterator[bytes]:
        """The lines for the pieces with the numbers `wanted` (from 1), or for all."""
        text = self._text
        for number in range(1, self.count + 1):
            if wanted is None or number in wanted:
                piece = text[(number - 1) * self.piece_length : number * self.piece_length]
                yield f"p {nonce} {self.stream} {number:05d} {len(piece)} {piece}\n".encode()


def echo_line(nonce: str) -> bytes:
    return f"e {nonce}\n".encode()


def leave_lines(nonce: str) -> bytes:
    """Ends the helper; the login shell behind it then answers as an echo does.

    To the helper the second line means nothing, to the shell the first one.
    """
    return f"z {nonce}\nprintf '%%%s v\\n' {nonce} # \n".encode()


def query_line(nonce: str) -> bytes:
    return f"q {nonce}\n".encode()


def go_line(nonce: str, command: Upload, stdin: Upload, kind: str) -> bytes:
    """The line that has the command run."""
    sums = (checksums(command.data, kind), checksums(stdin.data, kind) if stdin.data else "-")
    return f"g {nonce} {command.count} {stdin.count} {' '.join(sums)}\n".encode()


def again_line(nonce: str, numbers: Sequence[int]) -> bytes:
    """The line that asks for some lines of the answer again, given in their order.

    It may ask for some between them too, where that saves requests; what does not fit in is for a later one.
    """
    ranges = _ranges(numbers, gap=0)
    gap = 1
    while len(ranges) > _MOST_RANGES and gap <= _WIDEST_GAP:
        ranges = _ranges(numbers, gap)
        gap *= 2
    script = "".join(f"{first},{last}p;" for first, last in ranges[:_MOST_RANGES])
    return f"a {nonce} {script}\n".encode()


def _ranges(numbers: Sequence[int], gap: int) -> list[tuple[int, int]]:
    """The numbers as ranges; up to `gap` numbers that are not wanted may lie inside one."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number <= ranges[-1][1] + 1 + gap:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


@dataclass(frozen=True)
class Summary:
    """The helper's word that an answer is complete: how many lines it has, and their checksum."""

    lines: int
    checksum: str


@dataclass(frozen=True)
class Outcome:
    """A confirmed answer."""

    exit_code: int
    stdout: bytes
    stderr: bytes


_SUMMARY = re.compile(r"s (\d{5}) ([0-9a-f]{64}|\d{1,10}-\d{1,12})")
_ANSWER_LINE = re.compile(r"l (\d{5}):([A-Za-z0-9+/=]+)")
_MISSING = re.compile(r"n ([ci])((?: \d{5})+)")
# Frames of one letter, and the attribute of an answer that each sets.
_SIGNALS = {
    "k": "running",
    "b": "refused",
    "f": "unwritten",
    "o": "too_long",
    "v": "echoed",
    "m": "reported",
}


@dataclass
class Answer:
    """The answer to one request, gathered from whatever of it arrives."""

    nonce: str
    kind: str
    running: bool = False
    refused: bool = False
    unwritten: bool = False
    too_long: bool = False
    echoed: bool = False
    summary: Summary | None = None
    reported: bool = False
    _missing: dict[str, set[int]] = field(default_factory=dict)
    _lines: dict[int, str] = field(default_factory=dict)

    def take(self, line: str) -> bool:
        """Takes one line of the console; True if it was a whole frame of this answer."""
        begin = line.find(f"%{self.nonce} ")
        if begin < 0:
            return False
        body = line[begin + NONCE_LENGTH + 2 :].rstrip("\r\n")
        if match := _ANSWER_LINE.fullmatch(body):
            self._take_line(int(match[1]), match[2])
        elif match := _SUMMARY.fullmatch(body):
            self.summary = Summary(int(match[1]), match[2])
        elif match := _MISSING.fullmatch(body):
            self._missing.setdefault(match[1], set()).update(map(int, match[2].split()))
        elif body in _SIGNALS:
            setattr(self, _SIGNALS[body], True)
        else:
            return False
        return True

    def take_missing(self) -> Mapping[str, frozenset[int]]:
        """The missing pieces of each stream that have been reported since the last call."""
        missing = {stream: frozenset(numbers) for stream, numbers in self._missing.items()}
        self._missing.clear()
        self.reported = False
        return MappingProxyType(missing)

    def _take_line(self, number: int, text: str) -> None:
        # Two versions of one line: one of them, or its number, is wrong. Neither is believed; the line
        # counts as lacking and is asked for again.
        if self._lines.get(number, text) != text:
            del self._lines[number]
        else:
            self._lines[number] = text

    @property
    def lacking(self) -> list[int]:
        """The numbers of lines that have not arrived whole; empty before the summary is known."""
        if self.summary is None:
            return []
        count = self.summary.lines
        return [number for number in range(1, count + 1) if not self._plausible(number, count)]

    @property
    def held(self) -> int:
        """How many lines have arrived in a shape that may be whole."""
        return len(self._lines)

    def _plausible(self, number: int, count: int) -> bool:
        text = self._lines.get(number)
        if text is None:
            return False
        if number == 1:
            return re.fullmatch(rf"{self.nonce}=\d{{1,3}}", text) is not None
        if text == _SECTION_END:
            return True
        if number == count or "=" in text[:-2]:
            return False
        ends_section = self._lines.get(number + 1) in (_SECTION_END, None)
        return len(text) == _BASE64_WIDTH or (ends_section and len(text) % 4 == 0)

    def outcome(self) -> Outcome | None:
        """The result, once every line is there and the checksum over all of them fits; else None.

        When the lines look whole and the checksum does not fit, all of them are forgotten, so that they
        are asked for again.
        """
        if self.summary is None or self.lacking:
            return None
        lines = [self._lines[number] for number in range(1, self.summary.lines + 1)]
        whole = "".join(f"{line}\n" for line in lines).encode()
        if checksums(whole, self.kind) != self.summary.checksum:
            self._lines.clear()
            self.summary = None
            return None
        first, *rest = lines
        middle = rest.index(_SECTION_END)
        return Outcome(
            exit_code=int(first.partition("=")[2]),
            stdout=base64.b64decode("".join(rest[:middle])),
            stderr=base64.b64decode("".join(rest[middle + 1 : -1])),
        )
