"""What a grub.cfg says, read with GRUB's own rules of quoting.

Text in, words out. Variables are not expanded and conditions not followed: the stock grub.cfg of a live
medium needs neither for what is asked here. Rules: GRUB manual, "Quoting"; grub-core/script/yylex.l.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Outside quotes each of these ends a word; all but blanks end or separate a command.
_BLANKS = " \t"
_SEPARATORS = "\n;|&{}<>"
# Within double quotes a backslash escapes only these.
_ESCAPED_IN_QUOTES = '$"\\\n'


@dataclass(frozen=True)
class GrubCfg:
    """The commands of a grub.cfg, in order, each as its words."""

    commands: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> GrubCfg:
        """Takes any text; quotes that are never closed reach to its end."""
        return cls(tuple(_commands(text)))

    @property
    def searched_labels(self) -> tuple[str, ...]:
        """The volume labels that ``search --label`` looks for."""
        return tuple(
            words[-1] for words in self.commands if words[0] in ("search", "search.fs_label") and _searches_label(words)
        )

    @property
    def linux(self) -> tuple[str, ...]:
        """Kernel path and arguments of the first entry; empty where no kernel is loaded."""
        return self._first("linux", "linuxefi", "linux16")

    @property
    def initrds(self) -> tuple[str, ...]:
        """The initrd paths of the first entry."""
        return self._first("initrd", "initrdefi", "initrd16")

    def _first(self, *names: str) -> tuple[str, ...]:
        return next((words[1:] for words in self.commands if words[0] in names), ())


def _searches_label(words: tuple[str, ...]) -> bool:
    return words[0] == "search.fs_label" or "--label" in words or "-l" in words


def _commands(text: str) -> Iterator[tuple[str, ...]]:
    words: list[str] = []
    for word in _tokens(text):
        if word is not None:
            words.append(word)
        elif words:
            yield tuple(words)
            words = []
    if words:
        yield tuple(words)


def _tokens(text: str) -> Iterator[str | None]:
    """Words, and None where a command ends."""
    position, word = 0, _Word()
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            if text[position + 1] != "\n":
                word.add(text[position + 1])
            position += 2
        elif character in "'\"":
            position = word.add_quoted(text, position)
        elif character == "#" and not word.begun:
            position = _end_of_line(text, position)
        elif character in _BLANKS or character in _SEPARATORS:
            if word.begun:
                yield word.text
            word = _Word()
            if character in _SEPARATORS:
                yield None
            position += 1
        else:
            word.add(character)
            position += 1
    if word.begun:
        yield word.text


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


class _Word:
    """A word that grows; quotes alone begin one, so that ``''`` is an empty word."""

    def __init__(self) -> None:
        self.text = ""
        self.begun = False

    def add(self, characters: str) -> None:
        self.text += characters
        self.begun = True

    def add_quoted(self, text: str, position: int) -> int:
        """Takes what stands between the quote at `position` and its partner; returns the place after it."""
        quote, position = text[position], position + 1
        self.add("")
        while position < len(text) and text[position] != quote:
            if (
                quote == '"'
                and text[position] == "\\"
                and text[position + 1 : position + 2] in tuple(_ESCAPED_IN_QUOTES)
            ):
                position += 1
            self.add(text[position])
            position += 1
        return position + 1
