"""The main line of the room: a file becomes a `Config`, or the list of everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Checked:
    """What came of a file: the configuration where nothing is wrong with it, or all that is.

    `iso_errors` are those that only a live ISO has of a configuration that may be right otherwise. Both are in the
    order of the file.
    """

    config: Config | None
    errors: tuple[UserError, ...]
    iso_errors: tuple[UserError, ...]


def check_config(path: Path) -> Checked:
    """Reads the YAML or JSON file at `path`; every file that it names is found and read.

    Raises `UserError` where the file cannot be read or is not YAML.
    """
    document = read_document(read_source(path))
    root = Mapping(document.root.position, "") if is_null(document.root) else document.root
    validated = validate(root, TypeAdapter(ConfigSection))
    errors = [*document.errors, *validated.errors]
    model = validated.model
    if model is None:
        return Checked(None, _in_order(path, errors), ())
    files = FilesOnDisk(path.absolute().parent)
    files.look_for_all(model)
    errors += files.errors
    iso_errors = _in_order(path, problems_of_iso_output(model))
    config = None if errors else converted(path, model, files, dict(every_place(root)))
    return Checked(config, _in_order(path, errors), iso_errors)


def load_config(path: Path) -> Config:
    """The configuration in the YAML or JSON file at `path`, with every file that it names found and read.

    Raises `UserErrors` with everything that is wrong, in the order of the file: each with its position and
    key path, and never with a secret; `UserError` where the file cannot be read or is not YAML.
    """
    checked = check_config(path)
    if checked.config is None:
        raise UserErrors(checked.errors)
    return checked.config


def load_config_for_iso(path: Path) -> Config:
    """The same for a live ISO; what an ISO cannot be is among the errors."""
    checked = check_config(path)
    errors = _in_order(path, (*checked.errors, *checked.iso_errors))
    if errors or checked.config is None:
        raise UserErrors(errors)
    return checked.config


def _in_order(path: Path, errors: Iterable[UserError]) -> tuple[UserError, ...]:
    return tuple(sorted(errors, key=lambda error: _place_in_order(path, error)))


def _place_in_order(path: Path, error: UserError) -> tuple[bool, str, int, int]:
    """Errors of the configuration first, then those of the package lists, each by line and column."""
    where = error.where
    assert where is not None
    assert not isinstance(where, str | Path)
    return where.file != path, str(where.file), where.line, where.column
