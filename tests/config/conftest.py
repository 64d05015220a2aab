"""Configurations written to a directory of their own, and what reading them gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mic.config import Config, load_config
from mic.errors import SourcePosition, UserError, UserErrors

from .everything import write_files

Read = Callable[[str], Config]
Complaints = Callable[[str], list[str]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Holds the configuration and a few files that it may name."""
    (tmp_path / "a.txt").write_text("a\n")
    (tmp_path / "b.txt").write_text("b\n")
    return tmp_path


@pytest.fixture
def read(directory: Path) -> Read:
    """The configuration that a text describes."""

    def load(text: str) -> Config:
        (directory / "c.yaml").write_text(text)
        return load_config(directory / "c.yaml")

    return load


@pytest.fixture
def complaints(directory: Path) -> Complaints:
    """Everything that is wrong with a text: `line:column: Key.Path: what (hint)`, files without the directory."""

    def load(text: str) -> list[str]:
        (directory / "c.yaml").write_text(text)
        with pytest.raises(UserError) as caught:
            load_config(directory / "c.yaml")
        errors = caught.value.errors if isinstance(caught.value, UserErrors) else (caught.value,)
        assert all(isinstance(error.where, SourcePosition) for error in errors)
        lines = [str(error) for error in errors]
        return [line.removeprefix(f"{directory}/").removeprefix("c.yaml:") for line in lines]

    return load


@pytest.fixture
def everything(directory: Path) -> Path:
    """The configuration file to write, where the files are that EVERYTHING names."""
    write_files(directory)
    return directory / "c.yaml"
