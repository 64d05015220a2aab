"""`mic build`: a disk image becomes a live ISO."""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mic.commands.ending import reported_errors
from mic.commands.log_level import LogLevel
from mic.errors import UserError


class OutputFormat(Enum):
    """Formats that users of the original know; only `iso` is made."""

    ISO = "iso"
    VHD = "vhd"
    VHDX = "vhdx"
    QCOW2 = "qcow2"
    RAW = "raw"


def build(
    image_file: Annotated[Path, typer.Option(help="The full disk image, raw or qcow2; never written to.")],
    config_file: Annotated[Path, typer.Option(help="The YAML file with the customisations.")],
    output_image_file: Annotated[Path, typer.Option(help="The ISO to write.")],
    output_image_format: Annotated[OutputFormat, typer.Option(help="What to make.")] = OutputFormat.ISO,
    build_dir: Annotated[
        Path | None,
        typer.Option(help="Where temporary files go; the output's directory if not given.", show_default=False),
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="debug shows every program that is run.")] = LogLevel.INFO,
) -> None:
    """Converts a disk image into a live ISO."""
    from mic.build import BuildRequest
    from mic.build import build as convert
    from mic.config import load_config
    from mic.config.unsupported import refuse_unsupported
    from mic.isolation import run_isolated
    from mic.progress import Progress

    log_level.start()
    if output_image_format is not OutputFormat.ISO:
        raise UserError(f"--output-image-format {output_image_format.value} is not supported yet", hint="iso is")
    _refuse_unusable_output(output_image_file, image_file)
    config = load_config(config_file)
    refuse_unsupported(config)
    output = output_image_file.absolute()
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    request = BuildRequest(image_file.absolute(), config, output, partial)

    def work(workspace: Path) -> int:
        progress = Progress()
        with reported_errors():
            convert(request, workspace, progress)
        print(f"{progress.summary()}\n{output_image_file}: {output.stat().st_size >> 20} MiB", file=sys.stderr)
        return 0

    parent = build_dir.absolute() if build_dir else output.parent
    sys.exit(run_isolated(work, parent=parent, leftovers=(partial,)))


def _refuse_unusable_output(output: Path, image: Path) -> None:
    if not output.parent.is_dir():
        raise UserError("the output directory does not exist", where=output.parent, hint="create it first")
    if output.is_dir():
        raise UserError("the output is a directory", where=output, hint="name a file in it")
    if output.exists() and image.exists() and output.samefile(image):
        raise UserError("the output would overwrite the input image", where=output)
    if not os.access(output.parent, os.W_OK):
        raise UserError("the output directory cannot be written to", where=output.parent)
