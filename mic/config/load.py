"""The main line of the room: a file becomes a `Config`, or the list of everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from mic.config.config_section import ConfigSection
from mic.config.configuration import Config
from mic.config.conversion import converted
from mic.config.files_on_disk import FilesOnDisk
from mic.config.iso_output import problems_of_iso_output
from mic.config.source import read_source
from mic.config.tree import Mapping, every_place, is_null
from mic.config.validation import validate
from mic.config.yaml_reader import read_document
from mic.errors import UserError, UserErrors


def load_config(path: Path) -> Config:
    """The configuration in the YAML or JSON file at `path`, with every file that it names found and read.

    Raises `UserErrors` with everything that is wrong, in the order of the file: each with its position and
    key path, and never with a secret; `UserError` where the file cannot be read or is not YAML.
    """
    document = read_document(read_source(path))
    root = Mapping(document.root.position, "") if is_null(document.root) else document.root
    validated = validate(root, TypeAdapter(ConfigSection))
    errors = [*document.errors, *validated.errors]
    files = FilesOnDisk(path.absolute().parent)
    if validated.model is not None:
        files.look_for_all(validated.model)
        errors += files.errors
    if errors or validated.model is None:
        raise UserErrors(sorted(errors, key=lambda error: _place_in_order(path, error)))
    return converted(path, validated.model, files, dict(every_place(root)))


def load_config_for_iso(path: Path) -> Config:
    """The same for a live ISO; raises `UserErrors` for what an ISO cannot be, too, once all else is right."""
    config = load_config(path)
    if errors := problems_of_iso_output(config):
        raise UserErrors(errors)
    return config


def _place_in_order(path: Path, error: UserError) -> tuple[bool, str, int, int]:
    """Errors of the configuration first, then those of the package lists, each by line and column."""
    where = error.where
    assert where is not None
    assert not isinstance(where, str | Path)
    return where.file != path, str(where.file), where.line, where.column
