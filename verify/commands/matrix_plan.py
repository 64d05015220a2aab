"""`mic verify plan`: writes down the cells of scenarios, or of ISOs."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mic.errors import UserError
from verify.commands.verify import FirmwareName


class CellFormat(Enum):
    """How the cells are shown."""

    TABLE = "table"
    GITHUB = "github"


def plan(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="SCENARIO.yaml... | LIVE.iso...", help="What is to be verified.")
    ],
    output: Annotated[Path, typer.Option(help="The plan to write.")],
    config_file: Annotated[
        Path | None, typer.Option(help="For ISOs: the configuration they were made with.", show_default=False)
    ] = None,
    firmware: Annotated[
        list[FirmwareName] | None, typer.Option(help="For ISOs: firmware to boot with; both if not given.")
    ] = None,
    media_dir: Annotated[Path, typer.Option(help="Where the media of scenarios with image and config lie.")] = Path(),
    other_disk: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="For scenarios: the image behind a name under other_disks that is no path. May be repeated.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        CellFormat, typer.Option(help="How the cells are printed; github: a matrix for fromJSON.")
    ] = CellFormat.TABLE,
) -> None:
    """Writes a plan: every cell with its number, and the digests of the files it is about."""
    from verify.machine.firmware import Firmware
    from verify.matrix.planning import OtherDisk, plan_media, plan_scenarios
    from verify.plan import MachineCell, Plan

    disks = [OtherDisk.parse(text) for text in other_disk or ()]
    if config_file is None:
        matrix = plan_scenarios(inputs, media_dir, disks)
    elif disks:
        raise UserError("--other-disk is for the names of scenarios, and there is none", where="--other-disk")
    else:
        cells = tuple(MachineCell(Firmware(name.value)) for name in firmware or list(FirmwareName))
        matrix = plan_media([Plan(iso.absolute(), config_file.absolute(), Path(), cells) for iso in inputs])
    try:
        output.write_bytes(matrix.to_json(output.absolute().parent))
    except OSError as error:
        raise UserError(f"the plan cannot be written: {error.strerror}", where=output) from error
    if format is CellFormat.GITHUB:
        print(json.dumps({"include": [{"cell": cell.index, "id": cell.id} for cell in matrix.cells]}))
        return
    for cell in matrix.cells:
        print(f"{cell.index:4} {cell.id}")
