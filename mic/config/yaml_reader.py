"""A YAML or JSON text becomes a tree of values with places, or a list of what is wrong with it.

The text may be hostile: its events are counted before anything is built from them, and what aliases unfold to
is counted while it is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from mic.config.source import Source
from mic.config.tree import Kind, Mapping, Scalar, Sequence, Value, joined_path, problem_at
from mic.config.yaml_complaints import explain
from mic.errors import SourcePosition, UserError

# libyaml where PyYAML was built with it: ten times faster, and it takes JSON that is indented with tabs.
_Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# The libyaml of PyYAML 6.0.4 and newer gives up by itself, at 1,000 levels: before any event has come.
_LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"
MAX_DEPTH = 50
MAX_VALUES = 20_000
# libyaml compares every directive with every earlier one, so many of them take quadratic time.
_MAX_DIRECTIVES = 64
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)

_TAG = "tag:yaml.org,2002:"
_KINDS = {
    f"{_TAG}null": Kind.NULL,
    f"{_TAG}bool": Kind.BOOL,
    f"{_TAG}int": Kind.INT,
    f"{_TAG}float": Kind.FLOAT,
    f"{_TAG}str": Kind.TEXT,
    f"{_TAG}timestamp": Kind.TEXT,
    f"{_TAG}value": Kind.TEXT,
    f"{_TAG}merge": Kind.TEXT,
}
_MERGE = f"{_TAG}merge"


@dataclass(frozen=True)
class Document:
    """The root of the first YAML document, and what is wrong with the text that did not stop its reading."""

    root: Value
    errors: tuple[UserError, ...]


def read_document(source: Source) -> Document:
    """Raises `UserError` where the text is empty, is not YAML, or holds more than the limits of this module."""
    if len(_DIRECTIVE.findall(source.for_parser)) > _MAX_DIRECTIVES:
        raise UserError("too many lines begin with %", where=source.position_at(0))
    loader = _Loader(source.for_parser)
    try:
        second = _survey(source)
        node = loader.get_node() if loader.check_node() else None
    except yaml.MarkedYAMLError as error:
        raise _complaint(source, error) from None
    finally:
        loader.dispose()
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value and not node.style):
        raise UserError("the file is empty", where=source.position_at(0), hint="{} is a configuration without changes")
    builder = _Builder(source)
    root = builder.build(node, "", ())
    if second is not None:
        builder.errors.append(
            UserError("a second YAML document begins here", where=second, hint="one file is one configuration")
        )
    return Document(root, tuple(builder.errors))


class _Mark(Protocol):
    """PyYAML's place in the text; its two parsers have a class each. All count from 0."""

    line: int
    column: int
    index: int


def _position(source: Source, mark: _Mark | None) -> SourcePosition:
    if mark is None:
        return source.position_at(0)
    return source.position_of_mark(mark.line, mark.column, mark.index)


def _complaint(source: Source, error: yaml.MarkedYAMLError) -> UserError:
    mark = error.problem_mark or error.context_mark
    where = _position(source, mark)
    if (error.problem or "").startswith(_LIBYAML_TOO_DEEP):
        return _too_deep(where)
    begun = _position(source, error.context_mark) if error.context_mark is not None else None
    index = len(source.for_parser) if mark is None else mark.index
    message, hint = explain(error.problem or "", source.for_parser[index : index + 1], where, begun)
    return UserError(message, where=where, hint=hint)


def _survey(source: Source) -> SourcePosition | None:
    """Counts without building; returns where a second document begins. Raises `UserError` over the limits."""
    depth = values = documents = 0
    second = None
    for event in yaml.parse(source.for_parser, Loader=_Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents == 2:
                second = _position(source, event.start_mark)
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            if values > MAX_VALUES:
                raise _too_many(_position(source, event.start_mark), "the file holds")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(_position(source, event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return second


def _too_many(where: SourcePosition, subject: str) -> UserError:
    return UserError(f"{subject} more than {MAX_VALUES} values", where=where)


def _too_deep(where: SourcePosition) -> UserError:
    return UserError(f"nested more than {MAX_DEPTH} levels deep", where=where)


@dataclass
class _Builder:
    """Unfolds aliases and merge keys, so that every use of an anchor has a path of its own."""

    source: Source
    errors: list[UserError] = field(default_factory=list)
    _count: int = 0

    def build(self, node: yaml.Node, path: str, above: tuple[yaml.Node, ...]) -> Value:
        """`above` are the nodes around `node`, outermost first."""
        position = _position(self.source, node.start_mark)
        self._count += 1
        if self._count > MAX_VALUES:
            raise _too_many(position, "aliases unfold to")
        if any(node is outer for outer in above):
            raise UserError("an alias refers to a value that it is part of", where=position)
        if len(above) > MAX_DEPTH:
            raise _too_deep(position)
        within = (*above, node)
        if isinstance(node, yaml.MappingNode):
            self._check_tag(node, "map", position, path)
            return self._mapping(node, position, path, within)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, "seq", position, path)
            items = [self.build(item, f"{path}[{index}]", within) for index, item in enumerate(node.value)]
            return Sequence(position, path, items)
        kind = _KINDS.get(node.tag)
        if kind is None:
            self._refuse_tag(position, path)
        plain = isinstance(node, yaml.ScalarNode) and not node.style
        return Scalar(position, path, node.value, kind or Kind.TEXT, plain)

    def _check_tag(self, node: yaml.Node, expected: str, position: SourcePosition, path: str) -> None:
        if node.tag != _TAG + expected:
            self._refuse_tag(position, path)

    def _refuse_tag(self, position: SourcePosition, path: str) -> None:
        # The tag itself is not shown: `Password: !secret` is a tag to YAML.
        hint = "quote the text if it begins with !"
        self.errors.append(problem_at(position, path, "a tag that is not understood", hint))

    def _mapping(
        self, node: yaml.MappingNode, position: SourcePosition, path: str, above: tuple[yaml.Node, ...]
    ) -> Mapping:
        mapping = Mapping(position, path)
        merges: list[yaml.Node] = []
        is_merged = False
        for key_node, value_node in node.value:
            where = _position(self.source, key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                hint = "quote text that begins with { or ["
                self.errors.append(problem_at(where, path, "a key has to be a word", hint))
                continue
            key: str = key_node.value
            child_path = joined_path(path, key)
            if (first := mapping.key_positions.get(key)) is not None:
                message = f"the key is given twice, first in line {first.line}"
                self.errors.append(problem_at(where, child_path, message))
            elif key_node.tag == _MERGE:
                if is_merged:
                    self.errors.append(problem_at(where, path, "<< is given twice", "it takes a list of maps too"))
                is_merged = True
                merges += self._merged(value_node, where, path)
                continue
            else:
                if key_node.tag not in _KINDS:
                    self._refuse_tag(where, child_path)
                mapping.key_positions[key] = where
            # A second value of a key is read too, for what is wrong in it, but only the first is kept.
            value = self.build(value_node, child_path, above)
            mapping.entries.setdefault(key, value)
        for source_node in merges:
            self._merge_into(mapping, source_node, above)
        return mapping

    def _merged(self, node: yaml.Node, where: SourcePosition, path: str) -> Iterator[yaml.Node]:
        for candidate in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(candidate, yaml.MappingNode):
                yield candidate
            else:
                self.errors.append(problem_at(where, path, "<< takes a map, or a list of maps"))

    def _merge_into(self, mapping: Mapping, node: yaml.Node, above: tuple[yaml.Node, ...]) -> None:
        """The keys of `mapping` win over those merged in, and earlier merged ones over later ones."""
        merged = self.build(node, mapping.path, above)
        if isinstance(merged, Mapping):
            for key, value in merged.entries.items():
                if key not in mapping.entries:
                    mapping.entries[key] = value
                    mapping.key_positions[key] = merged.key_positions[key]
