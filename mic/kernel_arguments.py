"""Kernel arguments, from the text a user writes to the text that /proc/cmdline shows.

Three languages meet here. The user's text groups words with quotes, as a shell does. GRUB's script
language expands, cuts and comments, so that every word has to be quoted for it (GRUB manual, "Quoting").
GRUB's loader then joins the words with spaces, puts a word that holds a space between double quotes, and
writes a backslash before ``\\``, ``'`` and ``"`` unless the backslash begins ``\\xHH``
(grub-core/lib/cmdline.c, GRUB 2.06 and 2.12); so a literal quote cannot reach the kernel by any spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# COMMAND_LINE_SIZE of x86, arch/x86/include/asm/setup.h; the last byte is NUL.
MAX_COMMAND_LINE_BYTES = 2047

_HEX_ESCAPE = re.compile(r"\\x[0-9A-Fa-f]{2}")


class KernelArgumentError(ValueError):
    """A text that cannot reach the kernel as it is written; says why."""


@dataclass(frozen=True)
class KernelArguments:
    """Kernel arguments in order, each a word free of quotes; a word may hold spaces."""

    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in self.words:
            _refuse_what_cannot_arrive(word)

    @classmethod
    def parse(cls, text: str) -> KernelArguments:
        """The arguments in `text`, words split at spaces outside ``'...'`` and ``"..."``.

        Raises `KernelArgumentError` for unbalanced quotes, an empty argument (``''``), ``$``, a backquote,
        a control character, a quote inside quotes, and a backslash that does not begin ``\\xHH``.
        """
        words: list[str] = []
        current: list[str] = []
        quote: str | None = None
        in_word = False
        for character in text:
            if quote is not None:
                if character == quote:
                    quote = None
                else:
                    current.append(character)
            elif character in "'\"":
                quote, in_word = character, True
            elif character == " ":
                if in_word:
                    words.append("".join(current))
                current, in_word = [], False
            else:
                current.append(character)
                in_word = True
        if quote is not None:
            raise KernelArgumentError(f"the quote {quote} is never closed")
        if in_word:
            words.append("".join(current))
        return cls(tuple(words))

    def __add__(self, other: KernelArguments) -> KernelArguments:
        return KernelArguments(self.words + other.words)

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def shown(self) -> str:
        """The arguments as /proc/cmdline shows them once GRUB has loaded the kernel."""
        return " ".join(f'"{word}"' if " " in word else word for word in self.words)

    @property
    def for_grub(self) -> str:
        """The arguments for a ``linux`` line of grub.cfg, between single quotes, where nothing expands."""
        return " ".join(f"'{word}'" for word in self.words)

    @property
    def rearranged(self) -> tuple[str, ...]:
        """The arguments that arrive quoted as a whole because they hold a space.

        ``name="a b"`` is shown as ``"name=a b"``: GRUB quotes whole words only. The kernel reads both
        alike (next_arg in lib/cmdline.c).
        """
        return tuple(word for word in self.words if " " in word)


def joined(parts: Iterable[KernelArguments]) -> KernelArguments:
    """All arguments of `parts`, in order."""
    return KernelArguments(tuple(word for part in parts for word in part.words))


def _refuse_what_cannot_arrive(word: str) -> None:
    if not word:
        raise KernelArgumentError("an empty argument ('' or \"\") cannot reach the kernel")
    for character in word:
        if ord(character) < 0x20 or ord(character) == 0x7F:
            raise KernelArgumentError(f"a control character ({character!r}) cannot reach the kernel")
        if character in "$`":
            raise KernelArgumentError(f"{character} is not allowed: nothing expands in a kernel argument")
        if character in "'\"":
            raise KernelArgumentError(f"the quote {character} inside quotes would arrive as \\{character}")
    if "\\" in _HEX_ESCAPE.sub("", word):
        raise KernelArgumentError("GRUB doubles a backslash unless it begins \\xHH, as in dev-disk\\x2did")
