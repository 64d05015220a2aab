"""The JSON Schema of the configuration, from the models that read it."""

from __future__ import annotations

import json
from typing import Any

from mic.config.config_section import ConfigSection
from mic.config.section import Section

# Draft 7 is what yaml-language-server, which most editors use for YAML, has always known.
_DIALECT = "http://json-schema.org/draft-07/schema#"
_DEFINITIONS = "definitions"
_NULL = {"type": "null"}
_SCALAR = {"type": ["string", "number", "boolean"]}


def json_schema() -> str:
    """The schema (JSON Schema draft 7) as JSON text, for editors and for validation elsewhere."""
    return schema_of(ConfigSection)


def schema_of(root: type[Section]) -> str:
    """The same for another kind of file that is read by sections."""
    schema = root.model_json_schema(ref_template=f"#/{_DEFINITIONS}/{{model}}")
    definitions = schema.pop("$defs", {})
    for section in Section.__subclasses__():
        if section.__name__ in definitions:
            definitions[section.__name__] = _as_read(definitions[section.__name__], section)
    whole = {"$schema": _DIALECT, **_as_read(schema, root), _DEFINITIONS: definitions}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _as_read(definition: dict[str, Any], section: type[Section]) -> dict[str, Any]:
    """What the models leave to rules and to their reading of the tree: required keys, null, short forms."""
    examples = {key: section.model_fields[name].examples for key, name in section.known_keys().items()}
    properties = {
        key: _property(value, examples[key], is_required=key in section.required)
        for key, value in definition["properties"].items()
    }
    definition = {**definition, "title": section.__name__.removesuffix("Section"), "properties": properties}
    if section.required:
        definition["required"] = list(section.required)
    if not section.shorthand:
        return definition
    about: dict[str, Any] = {key: definition.pop(key) for key in ("title", "description") if key in definition}
    return {**about, "anyOf": [_SCALAR, definition]}


def _property(value: dict[str, Any], examples: list[Any] | None, *, is_required: bool) -> dict[str, Any]:
    # Titles made from keys say nothing; a default of null, an empty list or text is the same as no key.
    about: dict[str, Any] = {"description": value["description"]} if "description" in value else {}
    # The section's own, for pydantic sorts the keys of those in its schema.
    about |= {"examples": examples} if examples else {}
    if value.get("default") not in (None, "", [], {}):
        about["default"] = value["default"]
    rest = {key: part for key, part in value.items() if key not in ("title", "default", "description", "examples")}
    options = [option for option in rest.pop("anyOf", [rest]) if option != _NULL]
    return {**about, "anyOf": options if is_required else [*options, _NULL]}
