"""What a YAML text holds, every value with its place: the tree that the models are filled from.

Scalars keep the text as it was written, because what `0644` or `yes` means depends on the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from mic.errors import SourcePosition, UserError

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN_KEY_LENGTH = 200
# What stands below these keys is never shown, not even as part of a key path.
_SECRET_KEYS = frozenset({"Password", "SSHPubKeys"})


class Kind(Enum):
    """What YAML 1.1 takes a scalar for; the value says it to the user."""

    NULL = "nothing"
    BOOL = "true or false"
    INT = "a whole number"
    FLOAT = "a number"
    TEXT = "text"


@dataclass
class Value:
    """A value at a place. `path` is how errors name it: ``SystemConfig.Users[0].Name``, empty for the whole."""

    position: SourcePosition
    path: str

    @property
    def described(self) -> str:
        """What it is, in words; never its content."""
        raise NotImplementedError


@dataclass
class Scalar(Value):
    """One word, number or text. `plain` means written without quotes."""

    text: str = field(repr=False)
    kind: Kind
    plain: bool

    @property
    def described(self) -> str:
        return self.kind.value

    @property
    def is_null(self) -> bool:
        return self.kind is Kind.NULL


@dataclass
class Sequence(Value):
    """A list. `lost` counts the items that were dropped because they are wrong."""

    items: list[Value] = field(default_factory=list)
    lost: int = 0

    def keep(self, items: list[Value]) -> None:
        """Drops all but `items`."""
        self.lost += len(self.items) - len(items)
        self.items = items

    @property
    def described(self) -> str:
        return "a list"


@dataclass
class Mapping(Value):
    """A map. `key_positions` keeps the place of every key; `damaged` the keys with something dropped below."""

    entries: dict[str, Value] = field(default_factory=dict)
    key_positions: dict[str, SourcePosition] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)

    @property
    def described(self) -> str:
        return "a map"

    def child_path(self, key: str) -> str:
        """The path of the value of `key`."""
        return joined_path(self.path, key)


def is_plain_key(key: str) -> bool:
    """Whether `key` is a short word, as all keys but the user's own file names are."""
    return _PLAIN_KEY.fullmatch(key) is not None


def joined_path(path: str, key: str) -> str:
    """`path` with `key` added; an unusual key stands in brackets, one below a secret is left out."""
    if path.rpartition(".")[2].partition("[")[0] in _SECRET_KEYS:
        return path
    if not is_plain_key(key):
        short = key if len(key) <= _SHOWN_KEY_LENGTH else key[:_SHOWN_KEY_LENGTH] + "…"
        escaped = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in short)
        return f'{path}["{escaped}"]'
    return f"{path}.{key}" if path else key


def is_null(value: object) -> bool:
    """Whether `value` is YAML's null, which means the same as leaving the key out."""
    return isinstance(value, Scalar) and value.is_null


def problem_at(position: SourcePosition, path: str, message: str, hint: str | None = None) -> UserError:
    """The error of the contract's form: position, key path, what is wrong, hint."""
    return UserError(f"{path}: {message}" if path else message, where=position, hint=hint)


def every_place(value: Value) -> Iterator[tuple[str, SourcePosition]]:
    """The path and position of `value` and of everything below it."""
    yield value.path, value.position
    children: list[Value] = []
    if isinstance(value, Mapping):
        children = list(value.entries.values())
    elif isinstance(value, Sequence):
        children = value.items
    for child in children:
        if not is_null(child):
            yield from every_place(child)
