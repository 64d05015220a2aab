"""Kernel arguments, from the text a user writes to the text that /proc/cmdline shows.

Three languages meet here. The user's text groups words with quotes, as a shell does. GRUB's script
language expands, cuts and comments, so that every word has to be quoted for it (GRUB manual, "Quoting").
GRUB's loader then joins the words with spaces, puts a word that holds a space between double quotes, and
writes a backslash before ``\\``, ``'`` and ``"`` (grub_create_loader_cmdline in grub-core/lib/cmdline.c;
seen in booted machines with Debian's GRUBs). So a few characters cannot reach the kernel as they
are, by any spelling; `KernelArguments.shown` says what arrives instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# COMMAND_LINE_SIZE of x86, arch/x86/include/asm/setup.h; the last byte is NUL.
MAX_COMMAND_LINE_BYTES = 2047

_ESCAPED_BY_GRUB = re.compile(r"[\\'\"]")
# GRUBs with the patch that several distributions carry leave \xHH, as systemd's unit names have it, alone.
_ESCAPED_BY_PATCHED_GRUB = re.compile(r"(?!\\x[0-9A-Fa-f]{2})[\\'\"]")


class KernelArgumentError(ValueError):
    """A text that cannot be kernel arguments as it is written; says why."""


@dataclass(frozen=True)
class KernelArguments:
    """Kernel arguments in order, each a word as the user means it; a word may hold spaces and quotes."""

    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in self.words:
            _refuse_what_cannot_arrive(word)

    @classmethod
    def parse(cls, text: str) -> KernelArguments:
        """The arguments in `text`: words between spaces, where ``'...'`` and ``"..."`` keep words together.

        A backslash makes a quote, a backslash or (outside quotes) a space a character like any other; before
        anything else it is itself one, so that ``dev-disk\\x2did`` stays as it is. Within ``'...'`` it always
        is. Raises `KernelArgumentError` for quotes that are not closed, a backslash at the end, an empty
        argument (``''``), ``$``, a backquote and control characters.
        """
        return cls(tuple(_split(text)))

    def __add__(self, other: KernelArguments) -> KernelArguments:
        return KernelArguments(self.words + other.words)

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def shown(self) -> str:
        """The arguments as /proc/cmdline shows them once GRUB has loaded the kernel."""
        return self.forms[0]

    @property
    def forms(self) -> tuple[str, ...]:
        """What the GRUBs in use may show; one form, but for words with a backslash before ``xHH``."""
        escapes = (_ESCAPED_BY_GRUB, _ESCAPED_BY_PATCHED_GRUB)
        return tuple(dict.fromkeys(" ".join(_as_loaded(word, escaped) for word in self.words) for escaped in escapes))

    @property
    def for_grub(self) -> str:
        """The arguments for a ``linux`` line of grub.cfg, between single quotes, where nothing expands."""
        return " ".join("'" + word.replace("'", "'\\''") + "'" for word in self.words)

    @property
    def altered(self) -> dict[str, str]:
        """The words that arrive in another form, with that form.

        A word with a space is quoted as a whole: ``name="a b"`` is shown as ``"name=a b"``, which the kernel
        reads alike (next_arg in lib/cmdline.c). A quote or a backslash gets a backslash before it.
        """
        return {word: _as_loaded(word) for word in self.words if _as_loaded(word) != word}


def _as_loaded(word: str, escaped_by_grub: re.Pattern[str] = _ESCAPED_BY_GRUB) -> str:
    """What GRUB's loader makes of one word."""
    escaped = escaped_by_grub.sub(lambda found: f"\\{found[0]}", word)
    return f'"{escaped}"' if " " in word else escaped


def _split(text: str) -> list[str]:
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    characters = iter(text)
    for character in characters:
        if character == " " and not quote:
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = [] if word is None else word
        if character == "\\" and quote != "'":
            following = next(characters, None)
            if following is None:
                raise KernelArgumentError("a backslash at the end has nothing to act on")
            special = {"\\", '"'} if quote else {"\\", '"', "'", " "}
            word.append(following if following in special else character + following)
        elif character == quote:
            quote = ""
        elif character in "'\"" and not quote:
            quote = character
        else:
            word.append(character)
    if quote:
        raise KernelArgumentError(f"the quote {quote} is never closed")
    return words if word is None else [*words, "".join(word)]


def _refuse_what_cannot_arrive(word: str) -> None:
    if not word:
        raise KernelArgumentError("an empty argument ('' or \"\") cannot reach the kernel")
    for character in word:
        if not character.isprintable() and character != " ":
            raise KernelArgumentError(f"a control character ({character!r}) cannot reach the kernel")
        if character in "$`":
            raise KernelArgumentError(f"{character} is not allowed: nothing expands in a kernel argument")
