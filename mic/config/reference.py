"""The page with every key of the configuration, from the models that read it.

python -m mic.config.reference > docs/configuration.md
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from mic.config.schema import json_schema, schema_of
from mic.config.system_sections import PackageListSection

_INTRODUCTION = """\
# The configuration, key by key

<!-- Made by `python -m mic.config.reference > docs/configuration.md` from the models in mic/config; change those. -->

A configuration is a YAML or JSON file of at most 1 MiB. How to check one, and how an editor helps to write it:
[Checking a configuration](checking-configurations.md). What is done with it: [How the conversion works](conversion.md).

- Keys are case-sensitive. An unknown key is an error at every level, and so is a key given twice. Anchors, aliases and
  merge keys (`<<`) work.
- An empty file is an error; `{}` and `null` change nothing, and a key without a value is the same as no key. A second
  YAML document in the file is an error.
- A *text* may look like anything: `Hostname: 123` is the text `123`. *True or false* takes the words of YAML 1.1
  (`yes`, `on`), but not `"true"` and not `1`. A *whole number* may be written `16` or `0x10`, but not `"16"` and not
  `1.5`.
- Relative paths are relative to the directory of the configuration file; absolute ones are absolute.
- All errors are told in one run, each with its file, line and column.
"""
_TABLE_HEAD = "| key | type | default | meaning and rules | example |\n|---|---|---|---|---|\n"


@dataclass
class _Section:
    """A map with fixed keys: where it may stand, and its definition in the schema."""

    title: str
    definition: dict[str, Any]
    paths: list[str] = field(default_factory=list)


def reference_page() -> str:
    """The page, in Markdown."""
    schema = json.loads(json_schema())
    package_list = json.loads(schema_of(PackageListSection))
    sections = [*_sections(schema), _Section("PackageList", package_list, ["the file"])]
    contents = ",\n".join(_link(section.title) for section in sections)
    texts = (_section_text(section, schema) for section in sections)
    return "\n".join([f"{_INTRODUCTION}\nKinds of maps: {contents}.\n", *texts])


def _sections(schema: dict[str, Any]) -> Iterator[_Section]:
    """The section at the top and each one below it once, those that stand further up first."""
    found: dict[str, _Section] = {}
    waiting = deque([("", schema)])
    while waiting:
        path, definition = waiting.popleft()
        title = str(definition["title"])
        known = title in found
        section = found.setdefault(title, _Section(title, definition))
        section.paths.append(path)
        if known:
            # Its own sections have been met; they stand below the first of its paths.
            continue
        for key, value in _map_in(definition)["properties"].items():
            child = f"{path}.{key}" if path else key
            waiting += [(child + suffix, inner) for suffix, inner in _sections_at(value, schema)]
    yield from found.values()


def _map_in(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition of the map itself, where a text may stand for it."""
    inner: dict[str, Any] = definition if "properties" in definition else definition["anyOf"][-1]
    return inner


def _sections_at(value: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The sections that the value of a key may be or hold, each with what its path has behind the key's."""
    if (reference := value.get("$ref")) is not None:
        definition = _defined(reference, schema)
        if "enum" not in definition:
            yield "", definition
    for option in value.get("anyOf", ()):
        yield from _sections_at(option, schema)
    if "items" in value:
        yield from ((f"[]{suffix}", inner) for suffix, inner in _sections_at(value["items"], schema))
    if isinstance(value.get("additionalProperties"), dict):
        for suffix, inner in _sections_at(value["additionalProperties"], schema):
            if not suffix:
                yield "[source]", inner


def _defined(reference: str, schema: dict[str, Any]) -> dict[str, Any]:
    definition: dict[str, Any] = schema["definitions"][reference.rpartition("/")[2]]
    return definition


def _section_text(section: _Section, schema: dict[str, Any]) -> str:
    definition = _map_in(section.definition)
    about = section.definition.get("description", definition.get("description", ""))
    places = (
        ", ".join(f"`{path}`" if path != "the file" else path for path in section.paths if path) or "the whole file"
    )
    rows = "".join(
        _row(key, value, schema, is_required=key in definition.get("required", ()))
        for key, value in definition["properties"].items()
    )
    return f"## {section.title}\n\nStands at: {places}.\n\n{about}\n\n{_TABLE_HEAD}{rows}"


def _row(key: str, value: dict[str, Any], schema: dict[str, Any], *, is_required: bool) -> str:
    default = "**required**" if is_required else _default(value)
    cells = (f"`{key}`", _type(value, schema), default, value["description"], _example(key, value["examples"][0]))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    return "none" if default is None else f"`{json.dumps(default).strip(chr(34))}`"


def _example(key: str, example: object) -> str:
    text = yaml.safe_dump(
        {key: example}, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return f"`{text.strip()[1:-1]}`"


def _type(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a value is, in words and with links."""
    if (reference := value.get("$ref")) is not None:
        return _type_of_definition(_defined(reference, schema))
    if "anyOf" in value:
        types = dict.fromkeys(_type(option, schema) for option in value["anyOf"] if option.get("type") != "null")
        return " or ".join(types)
    if value["type"] == "array":
        return f"list of {_type(value['items'], schema)}"
    if value["type"] == "object":
        return f"map from source file to {_type(value['additionalProperties'], schema)}"
    return _type_of_scalar(value)


def _type_of_scalar(value: dict[str, Any]) -> str:
    if value["type"] == "integer":
        upper = f" to {value['maximum']}" if "maximum" in value else " or more"
        return f"whole number, {value['minimum']}{upper}"
    if value["type"] == "boolean":
        return "true or false"
    return "octal digits" if "pattern" in value else "text"


def _type_of_definition(definition: dict[str, Any]) -> str:
    if "enum" in definition:
        return " or ".join(f"`{choice}`" for choice in definition["enum"])
    link = _link(definition["title"])
    return link if "properties" in definition else f"{link} or text"


def _link(title: str) -> str:
    return f"[{title}](#{title.lower()})"


if __name__ == "__main__":
    print(reference_page(), end="")
