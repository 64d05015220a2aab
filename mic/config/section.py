"""What every map of the configuration has in common: its keys, its places, and rules between its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    model_validator,
)

from mic.config import tree
from mic.config.fields import refuse
from mic.config.suggestion import near
from mic.errors import SourcePosition, UserError

# Finding what was meant takes 0.1 ms; a map with more unknown keys than this is no configuration.
_MOST_SUGGESTIONS = 100


class Section(BaseModel):
    """A map with fixed keys, filled from a `tree.Mapping`.

    No field is required for the model itself: a section with a wrong value in it is still looked at for other
    errors, so "required" is a rule among the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    required: ClassVar[tuple[str, ...]] = ()
    # The key that a bare text stands for, where one may.
    shorthand: ClassVar[str | None] = None
    # Where the section stands, for the user who put one of its keys elsewhere.
    home: ClassVar[str | None] = None

    _mapping: tree.Mapping = PrivateAttr()

    @model_validator(mode="wrap")
    @classmethod
    def _from_tree(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        mapping = cls._mapping_of(value)
        known = cls.known_keys()
        # Unknown keys are left to `problems`, which knows the known ones; null means the same as no key.
        section = handler({k: v for k, v in mapping.entries.items() if k in known and not tree.is_null(v)})
        section._mapping = mapping
        return section

    @classmethod
    def _mapping_of(cls, value: object) -> tree.Mapping:
        if isinstance(value, tree.Mapping):
            return value
        wanted = "a map" if cls.shorthand is None else "a map or text"
        if tree.is_null(value):
            refuse(f"must be {wanted}, but is empty")
        if cls.shorthand is not None and isinstance(value, tree.Scalar):
            entries: dict[str, tree.Value] = {cls.shorthand: value}
            return tree.Mapping(value.position, value.path, entries, {cls.shorthand: value.position})
        described = value.described if isinstance(value, tree.Value) else "something else"
        refuse(f"must be {wanted}, not {described}")

    @classmethod
    def known_keys(cls) -> dict[str, str]:
        """The names of the fields by the keys of the file."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @property
    def position(self) -> SourcePosition:
        """Where the section begins."""
        return self._mapping.position

    @property
    def path(self) -> str:
        """How errors name the section."""
        return self._mapping.path

    def is_written(self, key: str) -> bool:
        """Whether `key` is there with a value, right or wrong."""
        value = self._mapping.entries.get(key)
        return key in self._mapping.damaged or (value is not None and not tree.is_null(value))

    def is_whole(self, *keys: str) -> bool:
        """Whether nothing at or below `keys`, or below the section if none is given, had to be dropped as wrong."""
        return not self._mapping.damaged.intersection(keys) if keys else not self._mapping.damaged

    def value(self, key: str) -> tree.Value | None:
        """What stands at `key` in the file."""
        return self._mapping.entries.get(key)

    def count_of(self, key: str) -> int | None:
        """How many items the list at `key` has in the file, right or wrong; None where no list is."""
        value = self._mapping.entries.get(key)
        return len(value.items) + value.lost if isinstance(value, tree.Sequence) else None

    def position_of(self, key: str) -> SourcePosition:
        """Where the value of `key` stands; where the section begins if it is not there."""
        value = self._mapping.entries.get(key)
        return self._mapping.key_positions.get(key, self.position) if value is None else value.position

    def path_of(self, key: str) -> str:
        """How errors name `key`."""
        value = self._mapping.entries.get(key)
        return self._mapping.child_path(key) if value is None else value.path

    def problem(self, message: str, *, at: str | None = None, hint: str | None = None) -> UserError:
        """An error about the section, or about its key `at`."""
        if at is None:
            return tree.problem_at(self.position, self.path, message, hint)
        return tree.problem_at(self.position_of(at), self.path_of(at), message, hint)

    def problems(self) -> Iterator[UserError]:
        """What is wrong with the keys of this section, the value of each being right by itself."""
        known = self.known_keys()
        unknown = [key for key in self._mapping.entries if key not in known]
        for number, key in enumerate(unknown):
            where = self._mapping.key_positions[key]
            meant = self._meant_by(key) if number < _MOST_SUGGESTIONS else None
            # `{Name: a, hunter2}` and `{Password:hunter2}` make a password a key, one without a value.
            is_shown = meant is not None or (tree.is_plain_key(key) and not tree.is_null(self.value(key)))
            path = self._mapping.child_path(key) if is_shown else self.path
            yield tree.problem_at(where, path, "unknown key", meant or f"known keys: {', '.join(known)}")
        for key in self.required:
            if not self.is_written(key):
                path = self._mapping.child_path(key)
                if key in self._mapping.key_positions:
                    yield tree.problem_at(self._mapping.key_positions[key], path, "is required, but is empty")
                else:
                    yield tree.problem_at(self.position, path, "is required, but missing")

    def _meant_by(self, key: str) -> str | None:
        for section in Section.__subclasses__():
            if section.home is not None and key in section.known_keys():
                return f"it belongs {section.home}"
        meant = near(key, self.known_keys())
        return f"did you mean {meant}?" if meant else None

    def sections(self) -> Iterator[Section]:
        """This section and every section below it."""
        yield self
        for name in type(self).model_fields:
            for inner in _sections_in(getattr(self, name)):
                yield from inner.sections()


def _sections_in(value: Any) -> Iterator[Section]:
    if isinstance(value, Section):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _sections_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _sections_in(item)


AnySection = TypeVar("AnySection", bound=Section)


def given_twice(
    sections: Iterable[AnySection], key: str, name_of: Callable[[AnySection], str | None]
) -> Iterator[UserError]:
    """An error for each section whose name (the value of `key`) an earlier one has; None and "" are no names."""
    first: dict[str, Section] = {}
    for section in sections:
        name = name_of(section)
        if name and (earlier := first.setdefault(name, section)) is not section:
            line = earlier.position_of(key).line
            yield section.problem(f"{name} is given twice, first in line {line}", at=key)
