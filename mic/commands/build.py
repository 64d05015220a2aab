"""`mic build`: a disk image becomes a live ISO."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mic.commands.ending import reported_errors
from mic.commands.log_level import LogLevel
from mic.commands.output_format import OutputFormat
from mic.errors import UserError, UserErrors


def build(
    image_file: Annotated[Path, typer.Option(help="The full disk image, raw or qcow2; never written to.")],
    config_file: Annotated[Path, typer.Option(help="The YAML file with the customisations.")],
    output_image_file: Annotated[Path, typer.Option(help="The ISO to write.")],
    output_image_format: Annotated[OutputFormat, typer.Option(help="What to make.")] = OutputFormat.ISO,
    build_dir: Annotated[
        Path | None,
        typer.Option(help="Where temporary files go; the output's directory if not given.", show_default=False),
    ] = None,
    output_split_partitions_format: Annotated[
        str | None, typer.Option(help="For disk outputs, which mic does not make.", show_default=False)
    ] = None,
    shrink_filesystems: Annotated[
        bool, typer.Option("--shrink-filesystems", help="For disk outputs, which mic does not make.")
    ] = False,
    rpm_source: Annotated[
        list[Path] | None,
        typer.Option(
            help="A directory of RPMs, or a .repo file, to take packages from; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    deb_source: Annotated[
        list[Path] | None,
        typer.Option(
            help="A directory of .deb files, or an apt source file (.list, .sources), to take packages from; may be "
            "given more than once.",
            show_default=False,
        ),
    ] = None,
    disable_base_image_rpm_repos: Annotated[
        bool,
        typer.Option(
            "--disable-base-image-rpm-repos",
            help="Take packages from the given sources only, not from the image's repositories; apt's neither.",
        ),
    ] = False,
    log_level: Annotated[LogLevel, typer.Option(help="debug shows every program that is run.")] = LogLevel.INFO,
) -> None:
    """Converts a disk image into a live ISO."""
    from mic.build import BuildRequest
    from mic.build import build as convert
    from mic.config import load_config_for_iso
    from mic.customize import PackageSources
    from mic.isolation import run_isolated
    from mic.progress import Progress

    log_level.start()
    _refuse_disk_outputs(output_image_format, output_split_partitions_format, shrink_filesystems)
    _refuse_unusable_output(output_image_file, image_file)
    config = load_config_for_iso(config_file)
    output = output_image_file.absolute()
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    sources = PackageSources(
        rpm=tuple(source.absolute() for source in rpm_source or ()),
        deb=tuple(source.absolute() for source in deb_source or ()),
        base_image_repositories=not disable_base_image_rpm_repos,
    )
    request = BuildRequest(image_file.absolute(), config, output, partial, sources)

    def work(workspace: Path) -> int:
        progress = Progress(least=log_level.threshold)
        with reported_errors():
            convert(request, workspace, progress)
        progress.note(f"{progress.summary()}\n{output_image_file}: {output.stat().st_size >> 20} MiB")
        return 0

    parent = build_dir.absolute() if build_dir else output.parent
    sys.exit(run_isolated(work, parent=parent, leftovers=(partial,)))


def _refuse_disk_outputs(image_format: OutputFormat, split_format: str | None, shrink: bool) -> None:
    """Raises `UserErrors` that name every option given that only a disk image could follow."""
    given = []
    if image_format is not OutputFormat.ISO:
        given.append((f"--output-image-format {image_format.value}", "say iso, or leave it out"))
    if split_format is not None:
        given.append(("--output-split-partitions-format", "leave it out"))
    if shrink:
        given.append(("--shrink-filesystems", "leave it out"))
    if given:
        message = "is for disk images, which mic does not make: it makes live ISOs"
        raise UserErrors([UserError(message, where=option, hint=hint) for option, hint in given])


def _refuse_unusable_output(output: Path, image: Path) -> None:
    if not output.parent.is_dir():
        raise UserError("the output directory does not exist", where=output.parent, hint="create it first")
    if output.is_dir():
        raise UserError("the output is a directory", where=output, hint="name a file in it")
    if output.exists() and image.exists() and output.samefile(image):
        raise UserError("the output would overwrite the input image", where=output)
    if not os.access(output.parent, os.W_OK):
        raise UserError("the output directory cannot be written to", where=output.parent)
