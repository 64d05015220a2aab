"""`mic schema`: the JSON Schema of the configuration."""

from __future__ import annotations


def schema() -> None:
    """Prints the JSON Schema of the configuration, for editors."""
    from mic.config.schema import json_schema

    print(json_schema(), end="")
