"""The options of `mic build`: those of the original, and what becomes of the ones for disk outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from mic.cli import app

from .test_validate import VALID, WRONG, mic

OF_THE_ORIGINAL = (
    "--build-dir",
    "--image-file",
    "--output-image-file",
    "--output-image-format",
    "--output-split-partitions-format",
    "--shrink-filesystems",
    "--config-file",
    "--log-level",
)


@pytest.mark.parametrize("name", OF_THE_ORIGINAL)
def test_option_of_the_original_is_taken(name: str) -> None:
    build = get_command(app).commands["build"]  # type: ignore[attr-defined]
    assert name in [option for parameter in build.params for option in parameter.opts]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--output-image-format", "qcow2"), ["--output-image-format qcow2"]),
        (
            ("--shrink-filesystems", "--output-image-format", "raw"),
            ["--output-image-format raw", "--shrink-filesystems"],
        ),
        (("--output-split-partitions-format", "raw-zst"), ["--output-split-partitions-format"]),
        (("--shrink-filesystems",), ["--shrink-filesystems"]),
    ],
)
def test_options_for_disk_outputs_are_refused_by_name(tmp_path: Path, option: tuple[str, ...], told: list[str]) -> None:
    (tmp_path / "c.yaml").write_text(VALID)
    files = ("--image-file", "missing.raw", "--output-image-file", "out.iso")
    done = mic("build", "--config-file", "c.yaml", *files, *option, directory=tmp_path)
    assert done.returncode == 2
    message = "is for disk images, which mic does not make: it makes live ISOs"
    assert [line.split(" (")[0] for line in done.stderr.splitlines()] == [f"mic: {name}: {message}" for name in told]


@pytest.mark.parametrize("level", ["panic", "fatal", "error", "warn", "info", "debug", "trace"])
def test_log_level_takes_the_names_of_the_original(tmp_path: Path, level: str) -> None:
    (tmp_path / "c.yaml").write_text(WRONG)
    files = ("--image-file", "missing.raw", "--output-image-file", "out.iso")
    done = mic("build", "--config-file", "c.yaml", *files, "--log-level", level, directory=tmp_path)
    assert done.returncode == 2
    assert "Hostnam: unknown key" in done.stderr
