"""The bytes of a configuration file become text, within bounds, and places in that text get line and column."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mic.errors import SourcePosition, UserError

# Ten thousand files copied one by one fit into this; more is not a configuration written by anyone.
MAX_BYTES = 1 << 20

# YAML 1.1, 5.4 "Line Break Characters"; the parser counts lines by them, so must everything here.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# YAML 1.1, 5.1 "Character Set"; the byte order mark is allowed at the start only, where it is cut off.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# JSON writes a character above U+FFFF as two escapes (RFC 8259, 7), which YAML does not know.
_ESCAPE = re.compile(r"\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})|\\.", re.DOTALL)

# Two escapes of six characters each become one character.
_LOST_BY_JOINING = 11


@dataclass(frozen=True)
class Source:
    """The text of one file. `text` is as read, without a byte order mark; it may hold secrets."""

    file: Path
    text: str = field(repr=False)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_BREAK.finditer(self.text))]

    @cached_property
    def _joined_escapes(self) -> tuple[str, list[int]]:
        """The text for the parser, and the offsets in it of the characters that were a pair of escapes each."""
        if not self.text.lstrip().startswith("{"):
            return self.text, []
        pieces, joined, end, length = [], [], 0, 0
        for match in _ESCAPE.finditer(self.text):
            if match["high"] is None:
                continue
            pair = bytes.fromhex(match["high"] + match["low"]).decode("utf-16-be")
            pieces += [self.text[end : match.start()], pair]
            length += len(pieces[-2]) + 1
            joined.append(length - 1)
            end = match.end()
        return "".join([*pieces, self.text[end:]]), joined

    @property
    def for_parser(self) -> str:
        """The text with JSON's pairs of escapes for one character joined to that character."""
        return self._joined_escapes[0]

    def position_at(self, offset: int) -> SourcePosition:
        """The place of the character at `offset` (from 0) of `text`; the last place for one beyond the end."""
        offset = min(offset, len(self.text))
        line = bisect_right(self._line_starts, offset)
        return SourcePosition(self.file, line, offset - self._line_starts[line - 1] + 1)

    def position_of_mark(self, line: int, column: int, index: int) -> SourcePosition:
        """The place that the parser calls `line` and `column` (from 0), `index` characters into `for_parser`.

        At the end of a text without a final line break the parser speaks of a line that is not there.
        """
        if line >= len(self._line_starts):
            return self.position_at(len(self.text))
        line_start = self._line_starts[line]
        joined = self._joined_escapes[1]
        column += _LOST_BY_JOINING * (bisect_left(joined, index) - bisect_left(joined, index - column))
        following = (*self._line_starts[line + 1 : line + 2], len(self.text))[0]
        return SourcePosition(self.file, line + 1, min(column, following - line_start) + 1)


def read_source(file: Path) -> Source:
    """The text of `file`: UTF-8, or UTF-16 with a byte order mark. At most `MAX_BYTES` are looked at.

    Raises `UserError` when it cannot be read, is too large or is not text.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        raise UserError("is a directory, not a file", where=file) from error
    except OSError as error:
        raise UserError(f"cannot be read: {(error.strerror or 'error').lower()}", where=file) from error
    if len(data) > MAX_BYTES:
        raise UserError(f"is larger than {MAX_BYTES >> 20} MiB", where=file, hint="is this a configuration file?")
    source = Source(file, _decoded(file, data))
    if unfit := _NOT_ALLOWED.search(source.text):
        raise UserError(
            f"the character U+{ord(unfit[0]):04X} is not allowed in YAML",
            where=source.position_at(unfit.start()),
            hint="is this a text file?",
        )
    return source


def _decoded(file: Path, data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16"
    else:
        encoding, name = "utf-8", "UTF-8"
        data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, errors="replace")
        raise UserError(
            f"the byte 0x{data[error.start]:02x} is not {name} text",
            where=Source(file, before).position_at(len(before)),
            hint="is this a text file?",
        ) from None
