"""`mic validate`: checks a configuration without an image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mic.commands.output_format import OutputFormat
from mic.errors import UserErrors


def validate(
    config_file: Annotated[Path, typer.Option(help="The YAML or JSON file with the customisations.")],
    output_image_format: Annotated[
        OutputFormat | None,
        typer.Option(
            help="What the configuration is for. With iso, what a live ISO cannot be is an error; without, a note.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Checks a configuration and every file that it names, without an image. Runs nothing and changes nothing.

    Exit code 0 when it is valid, 2 when it is not; then every error is told, each with its line and column.
    """
    from mic.config import check_config, load_config_for_iso

    if output_image_format is OutputFormat.ISO:
        load_config_for_iso(config_file)
    else:
        checked = check_config(config_file)
        if checked.errors:
            raise UserErrors(checked.errors)
        if output_image_format is None:
            for error in checked.iso_errors:
                print(f"mic: note: {error}", file=sys.stderr)
    print(f"{config_file}: valid")
