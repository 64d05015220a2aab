"""`mic verify`: boots a live ISO and proves what the configuration asked for."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class FirmwareName(Enum):
    """What the machine starts with."""

    UEFI = "uefi"
    BIOS = "bios"


class Access(Enum):
    """How the harness gets its shell."""

    AUTO = "auto"
    PASSWORD = "password"
    CREDENTIALS = "credentials"
    GRUB = "grub"


def verify(
    medium: Annotated[Path, typer.Argument(help="The live ISO.", show_default=False)],
    config_file: Annotated[Path, typer.Option(help="The configuration it was made with: what it has to be.")],
    firmware: Annotated[
        list[FirmwareName] | None,
        typer.Option(help="Firmware to boot with; repeatable; both if not given.", show_default=False),
    ] = None,
    report_dir: Annotated[
        Path | None,
        typer.Option(help="Where the report goes; NAME-report beside the ISO if not given.", show_default=False),
    ] = None,
    keyword: Annotated[str | None, typer.Option("-k", help="Only checks whose name matches, as for pytest.")] = None,
    access: Annotated[Access, typer.Option(help="How the harness gets its shell in the machine.")] = Access.AUTO,
    boot_anyway: Annotated[
        bool, typer.Option("--boot-anyway", help="Boot even where the audit says that the medium cannot.")
    ] = False,
    processes: Annotated[int | None, typer.Option("-n", help="How many machines run side by side.")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Boot times of earlier runs, to compare with.", show_default=False)
    ] = None,
    baseline_tolerance: Annotated[
        float | None,
        typer.Option(help="How many times as long as the baseline's a boot may take.", min=1, show_default=False),
    ] = None,
    update_baseline: Annotated[
        Path | None, typer.Option(help="File to keep this run's boot times in.", show_default=False)
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="How often a cell that ended in a fault is run again; a failure never is.")
    ] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the machine running, and tell how to attach to it.")
    ] = False,
) -> None:
    """Boots a live ISO and proves what the configuration asked for.

    Exit code 0: it is. 1: the medium is wrong. 75: the harness or this host could not find out. 2: usage.
    """
    from verify.access.way import AccessChoice
    from verify.machine.firmware import Firmware
    from verify.report.baseline import Comparison
    from verify.run import MachineOptions, verify

    report = report_dir or medium.with_name(f"{medium.stem}-report")
    firmwares = [Firmware(name.value) for name in firmware or list(FirmwareName)]
    options = MachineOptions(access=AccessChoice(access.value))
    comparison = Comparison(baseline, baseline_tolerance, update_baseline)
    code = verify(
        medium,
        config_file,
        firmwares,
        report,
        keyword=keyword,
        processes=processes,
        keep=keep,
        retries=retries,
        options=options,
        comparison=comparison,
        boot_anyway=boot_anyway,
    )
    sys.exit(code)
