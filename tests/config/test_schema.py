"""The JSON Schema takes what is read, and refuses what an editor can know to be wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from mic.config import tree
from mic.config.schema import json_schema
from mic.config.source import read_source
from mic.config.yaml_reader import read_document

from .everything import EVERYTHING, Route, routes
from .test_conformance import Case, cases

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "scenarios"
# Keys below these are the user's own: names of files.
FILES = "AdditionalFiles"


@cache
def validator() -> Draft7Validator:
    schema = json.loads(json_schema())
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


PLAIN: dict[tree.Kind, Callable[[str], object]] = {
    tree.Kind.NULL: lambda text: None,
    tree.Kind.BOOL: lambda text: text.lower() in ("true", "yes", "on"),
    tree.Kind.INT: yaml.safe_load,
    tree.Kind.FLOAT: float,
    tree.Kind.TEXT: str,
}


def plain(value: tree.Value) -> object:
    """The value as an editor has it that reads YAML 1.1."""
    if isinstance(value, tree.Mapping):
        return {key: plain(inner) for key, inner in value.entries.items()}
    if isinstance(value, tree.Sequence):
        return [plain(item) for item in value.items]
    assert isinstance(value, tree.Scalar)
    return PLAIN[value.kind](value.text)


def read(directory: Path, text: str) -> object:
    (directory / "c.yaml").write_text(text)
    return plain(read_document(read_source(directory / "c.yaml")).root)


def complaints(instance: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator().iter_errors(instance)]


@pytest.mark.parametrize("config", sorted(SCENARIOS.glob("*/config.yaml")), ids=lambda path: path.parent.name)
def test_configurations_of_the_scenarios_are_valid(tmp_path: Path, config: Path) -> None:
    assert complaints(read(tmp_path, config.read_text())) == []


@pytest.mark.parametrize("case", [case for case in cases() if case.values[0].valid and case.values[0].type == "Config"])
def test_valid_cases_of_the_contract_are_valid(tmp_path: Path, case: Case) -> None:
    instance = read(tmp_path, case.yaml)
    # A file that holds null means {}; an editor has nothing to look at in it.
    assert complaints({} if instance is None else instance) == []


def test_every_key_with_a_right_value_is_valid(tmp_path: Path) -> None:
    assert complaints(read(tmp_path, EVERYTHING)) == []


def own_keys() -> Iterator[Route]:
    """The way to each key in EVERYTHING that the schema knows."""
    for route in routes(yaml.safe_load(EVERYTHING)):
        if isinstance(route[-1], str) and (len(route) < 2 or route[-2] != FILES):
            yield route


@pytest.mark.parametrize("route", list(own_keys()), ids=str)
def test_misspelt_key_is_refused_wherever_it_stands(tmp_path: Path, route: Route) -> None:
    instance: Any = copy.deepcopy(read(tmp_path, EVERYTHING))
    container = instance
    for key in route[:-1]:
        container = container[key]
    misspelt = f"{route[-1]}e"
    container[misspelt] = container.pop(route[-1])
    assert complaints(instance) != []


@pytest.mark.parametrize(
    "text",
    [
        "SystemConfig: {BootType: uefi}",
        "SystemConfig: {Users: [{Name: a, UID: 60001}]}",
        "SystemConfig: {Users: [{UID: 1}]}",
        "SystemConfig: {Users: [{Name: a, PasswordExpiresDays: -2}]}",
        "SystemConfig: {UpdateBaseImagePackages: 'true'}",
        "SystemConfig: {PackagesInstall: vim}",
        "SystemConfig: {Services: {Enable: [[a]]}}",
        "Disks: [{PartitionTableType: mbr, MaxSize: 1}]",
        "Iso: {AdditionalFiles: {a: {Path: /a, Permissions: '1777'}}}",
        "Iso: {AdditionalFiles: [a]}",
        "Iso: [a]",
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, text: str) -> None:
    assert complaints(read(tmp_path, text)) != []


@pytest.mark.parametrize("text", ["Iso:", "SystemConfig: {Users: , Hostname: 12, Services: {Enable: [a, {Name: b}]}}"])
def test_short_forms_and_keys_without_a_value_are_valid(tmp_path: Path, text: str) -> None:
    assert complaints(read(tmp_path, text)) == []


def test_every_key_has_a_description_and_an_example_for_the_editor() -> None:
    schema = json.loads(json_schema())
    maps = [schema, *(d if "anyOf" not in d else d["anyOf"][-1] for d in schema["definitions"].values())]
    keys = [(key, value) for one in maps for key, value in one.get("properties", {}).items()]
    assert len(keys) > 60
    assert [key for key, value in keys if not value.get("description") or not value.get("examples")] == []
