"""The types of single values: what a text, a number, a choice of the configuration takes, and what it refuses.

Every type reads a `tree.Value`. Messages never show the value, which may be a password gone astray: a plain
YAML text runs on into the next line when that lacks its colon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from mic.config import tree
from mic.config.suggestion import near
from mic.kernel_arguments import KernelArgumentError, KernelArguments

Item = TypeVar("Item")

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# PyYAML reads these as text; in YAML 1.1 they are booleans (https://yaml.org/type/bool.html).
_ONE_LETTER_BOOLEANS = {"y": True, "Y": True, "n": False, "N": False}
_TRUE_WORDS = frozenset({"yes", "true", "on"})
_BOOLEAN_WORDS = ("true", "false", "yes", "no", "on", "off")
_LONGEST_NUMBER = 40


def refuse(message: str, hint: str | None = None) -> NoReturn:
    """Raises the error that becomes `message` and `hint` at the place of the value being read."""
    raise PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def _scalar(value: object, wanted: str) -> tree.Scalar:
    if not isinstance(value, tree.Scalar):
        described = value.described if isinstance(value, tree.Value) else "something else"
        refuse(f"must be {wanted}, not {described}")
    if value.is_null:
        refuse(f"must be {wanted}, but is empty")
    return value


def _text(value: object) -> str:
    return _sound(_scalar(value, "text").text)


def _sound(text: str) -> str:
    if "\0" in text or _SURROGATE.search(text):
        refuse("holds a character that no text can hold")
    return text


def _flag(value: object) -> bool:
    scalar = _scalar(value, "true or false")
    if scalar.kind is tree.Kind.BOOL:
        return scalar.text.lower() in _TRUE_WORDS
    if scalar.plain and scalar.text in _ONE_LETTER_BOOLEANS:
        return _ONE_LETTER_BOOLEANS[scalar.text]
    if scalar.text.lower() in _BOOLEAN_WORDS:
        refuse(f"must be true or false, not {scalar.described}", "write it without quotes")
    meant = near(scalar.text, _BOOLEAN_WORDS)
    refuse(f"must be true or false, not {scalar.described}", meant and f"did you mean {meant}?")


def whole_number(minimum: int, maximum: int | None = None, unit: str = "") -> BeforeValidator:
    """A YAML 1.1 integer (``16``, ``0x10``, ``020``) from `minimum` to `maximum`, both included."""
    suffix = f" {unit}" if unit else ""
    limits = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"

    def read(value: object) -> int:
        scalar = _scalar(value, "a whole number")
        if scalar.kind is not tree.Kind.INT:
            hint = "write it without quotes" if scalar.text.isdigit() and not scalar.plain else None
            refuse(f"must be a whole number{suffix}, not {scalar.described}", hint)
        number = _integer(scalar.text)
        if number is None or number < minimum or (maximum is not None and number > maximum):
            refuse(f"must be a whole number{suffix} {limits}")
        return number

    return BeforeValidator(read)


def _integer(text: str) -> int | None:
    """The number that `text` is, or None; base 60 (``1:30``), which nobody means, is none."""
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if len(digits) > _LONGEST_NUMBER:
        return None
    for prefix, base in (("0x", 16), ("0b", 2), ("0", 8), ("", 10)):
        if digits.startswith(prefix) and digits != prefix:
            try:
                return sign * int(digits.removeprefix(prefix), base)
            except ValueError:
                return None
    return 0 if digits == "0" else None


def positive_seconds() -> BeforeValidator:
    """A number of seconds above 0, whole or not."""

    def read(value: object) -> float:
        scalar = _scalar(value, "a number of seconds")
        if scalar.kind not in (tree.Kind.INT, tree.Kind.FLOAT) or len(scalar.text) > _LONGEST_NUMBER:
            refuse(f"must be a number of seconds, not {scalar.described}")
        try:
            seconds = float(scalar.text)
        except ValueError:
            refuse("must be a number of seconds", "in plain digits")
        if not 0 < seconds < float("inf"):
            refuse("must be a number of seconds above 0")
        return seconds

    return BeforeValidator(read)


def choice(*, of: type[Enum]) -> BeforeValidator:
    """One of the values of the enumeration `of`, which are texts."""
    values = [str(member.value) for member in of]
    wanted = values[0] if len(values) == 1 else f"one of {', '.join(values)}"

    def read(value: object) -> Enum:
        text = _scalar(value, wanted).text
        if text in values:
            return of(text)
        suggestion = near(text, values)
        refuse(f"must be {wanted}", suggestion and f"did you mean {suggestion}?")

    return BeforeValidator(read)


def _items(value: object) -> list[tree.Value]:
    if not isinstance(value, tree.Sequence):
        described = value.described if isinstance(value, tree.Value) else "something else"
        refuse(f"must be a list, not {described}", "begin each item with a dash")
    return value.items


def one_or_more(value: object) -> list[tree.Value]:
    """The items of a list that may not be empty; a single value stands for a list of one."""
    if not isinstance(value, tree.Sequence):
        return [value] if isinstance(value, tree.Value) else []
    if not value.items and not value.lost:
        refuse("is an empty list")
    return value.items


def entries(value: object) -> Mapping[str, tree.Value]:
    """The entries of a map whose keys are the user's own."""
    if not isinstance(value, tree.Mapping):
        described = value.described if isinstance(value, tree.Value) else "something else"
        refuse(f"must be a map, not {described}")
    return value.entries


def _permissions(value: object) -> int:
    text = _scalar(value, "octal digits").text
    if not re.fullmatch("[0-7]+", text):
        refuse("must be octal digits", "as in 0644, without 0o" if text.startswith("0o") else None)
    # "is too large" also for a text of a million digits, which int() would work on for a while.
    if len(text.lstrip("0")) > 3:
        refuse("must be at most 0777")
    return int(text, 8)


def _secret(value: object) -> SecretStr:
    return SecretStr(_text(value))


def _not_empty(text: str) -> str:
    if not text.strip():
        refuse("is empty")
    return text


def has_control_character(text: str) -> bool:
    """Whether `text` holds a line break, a tab or another control character of ASCII."""
    return _CONTROL.search(text) is not None


def _one_line(text: str) -> str:
    if has_control_character(text):
        refuse("holds a line break or a control character")
    return text


def _kernel_arguments(text: str) -> str:
    try:
        KernelArguments.parse(text)
    except KernelArgumentError as error:
        refuse(str(error), "end a folded text with >- instead of >" if text.endswith("\n") else None)
    return text


def _not_an_option(text: str) -> str:
    if text.startswith("-"):
        refuse("begins with -, as only an option does")
    return text


def matching(pattern: str, message: str) -> AfterValidator:
    """A text that `pattern` matches as a whole, or `message`."""
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            refuse(message)
        return text

    return AfterValidator(read)


def absent_if_empty(check: Callable[[str], str]) -> AfterValidator:
    """``""`` stays and means the same as leaving the key out; anything else has to pass `check`."""
    return AfterValidator(lambda text: check(text) if text else text)


_ANY_SCALAR = WithJsonSchema({"type": ["string", "number", "boolean"]})

Text = Annotated[str, BeforeValidator(_text), _ANY_SCALAR]
NonEmptyText = Annotated[Text, AfterValidator(_not_empty)]
SourceName = Annotated[str, AfterValidator(_sound), AfterValidator(_not_empty)]
Line = Annotated[NonEmptyText, AfterValidator(_one_line)]
Word = Annotated[Line, AfterValidator(_not_an_option)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Secret = Annotated[SecretStr, BeforeValidator(_secret), _ANY_SCALAR]
ListOf = Annotated[tuple[Item, ...], BeforeValidator(_items)]
KernelExtraArguments = Annotated[Text, AfterValidator(_kernel_arguments)]
FilePermissions = Annotated[
    int, BeforeValidator(_permissions), WithJsonSchema({"type": ["string", "integer"], "pattern": "^0*[0-7]{1,3}$"})
]
