"""The JSON Schema of the configuration, from the models that read it."""

from __future__ import annotations

import json
from typing import Any

from mic.config.config_section import ConfigSection
from mic.config.section import Section

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}
_SCALAR = {"type": ["string", "number", "boolean"]}


def json_schema() -> str:
    """The schema (JSON Schema draft 2020-12) as JSON text, for editors and for validation elsewhere."""
    return schema_of(ConfigSection)


def schema_of(root: type[Section]) -> str:
    """The same for another kind of file that is read by sections."""
    schema = root.model_json_schema()
    definitions = schema["$defs"]
    for section in Section.__subclasses__():
        if section.__name__ in definitions:
            definitions[section.__name__] = _as_read(definitions[section.__name__], section)
    return json.dumps({"$schema": _DIALECT, **_as_read(schema, root)}, indent=2) + "\n"


def _as_read(definition: dict[str, Any], section: type[Section]) -> dict[str, Any]:
    """What the models leave to rules and to their reading of the tree: required keys, null, short forms."""
    properties = {
        key: _property(value, is_required=key in section.required) for key, value in definition["properties"].items()
    }
    definition = {**definition, "title": section.__name__.removesuffix("Section"), "properties": properties}
    if section.required:
        definition["required"] = list(section.required)
    return {"anyOf": [_SCALAR, definition]} if section.shorthand else definition


def _property(value: dict[str, Any], *, is_required: bool) -> dict[str, Any]:
    # Titles made from keys say nothing; a default of null, an empty list or text is the same as no key.
    about = {key: value[key] for key in ("description",) if key in value}
    if value.get("default"):
        about["default"] = value["default"]
    rest = {key: part for key, part in value.items() if key not in ("title", "default", "description")}
    options = [option for option in rest.pop("anyOf", [rest]) if option != _NULL]
    return {**about, "anyOf": options if is_required else [*options, _NULL]}
