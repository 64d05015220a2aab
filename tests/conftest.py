"""What many tests need: base images, built once and cached, and work in the isolation that mic uses."""

from __future__ import annotations

import fcntl
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from fixtures.base import cached_image
from mic.isolation import run_isolated

Result = TypeVar("Result")

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Removes the ISOs of the run, hundreds of MB each; reports stay until pytest removes them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is not None:
        for iso in (factory.getbasetemp() / "shared").glob("*.iso"):
            iso.unlink()


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the workers of one test run share."""
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    directory.mkdir(exist_ok=True)
    return directory


class BuildIso(Protocol):
    """Builds an ISO by `mic build`, as a user does, once in a test run whoever asks for it first."""

    def __call__(self, name: str, image: Path, config: Path, options: Sequence[str] = ()) -> Path:
        """Returns NAME.iso; its log is NAME.log beside it. `options` are further ones of `mic build`."""
        ...


@pytest.fixture(scope="session")
def build_iso(shared_directory: Path) -> BuildIso:
    """See `BuildIso`."""

    def build(name: str, image: Path, config: Path, options: Sequence[str] = ()) -> Path:
        iso = shared_directory / f"{name}.iso"
        with (shared_directory / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not iso.exists():
                command: list[str | Path] = [sys.executable, "-m", "mic.cli", "build", "--output-image-format", "iso"]
                command += ["--image-file", image, "--config-file", config, "--output-image-file", iso, *options]
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
                assert done.returncode == 0, done.stderr
                iso.with_suffix(".log").write_text(done.stderr)
        return iso

    return build


@pytest.fixture(scope="session")
def example1(bookworm: Path, build_iso: BuildIso) -> Path:
    """The document's example 1 on Debian 12."""
    return build_iso("example1-bookworm", bookworm, SCENARIOS / "example1" / "config.yaml")
