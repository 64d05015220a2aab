"""The JSON Schema of the configuration, from the models that read it."""

from __future__ import annotations

import json

from mic.config.config_section import ConfigSection


def json_schema() -> str:
    """The schema (JSON Schema draft 2020-12) as JSON text, for editors and for validation elsewhere."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConfigSection.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
