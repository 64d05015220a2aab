"""What many tests need: base images, built once and cached, and work in the isolation that mic uses."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from fixtures.base import cached_image
from mic.isolation import run_isolated

Result = TypeVar("Result")


@pytest.fixture(scope="session")
def bookworm() -> Path:
    """The raw base image of Debian 12; read-only, shared by all tests."""
    return cached_image("bookworm")


@pytest.fixture(scope="session")
def trixie() -> Path:
    """The raw base image of Debian 13."""
    return cached_image("trixie")


@pytest.fixture
def isolated(tmp_path: Path) -> Callable[[Callable[[Path], Result]], Result]:
    """Runs a function where it may mount and start what it likes, and hands its result back."""

    def run(work: Callable[[Path], Result]) -> Result:
        outcome = tmp_path / "outcome.pickle"

        def and_report(workspace: Path) -> int:
            outcome.write_bytes(pickle.dumps(work(workspace)))
            return 0

        assert run_isolated(and_report, parent=tmp_path) == 0
        result: Result = pickle.loads(outcome.read_bytes())
        return result

    return run
