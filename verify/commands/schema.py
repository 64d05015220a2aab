"""`mic verify schema`: the JSON Schema of a scenario."""

from __future__ import annotations


def schema() -> None:
    """Prints the JSON Schema of a scenario, for editors."""
    from verify.scenario import scenario_schema

    print(scenario_schema(), end="")
