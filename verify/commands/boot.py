"""`mic boot`: starts a live ISO by hand, with its serial console on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mic.errors import UserError
from verify.commands.verify import FirmwareName
from verify.machine.spec import Attachment


def boot(
    medium: Annotated[Path, typer.Argument(help="The live ISO; never written to.", show_default=False)],
    firmware: Annotated[FirmwareName, typer.Option(help="What the machine starts with.")] = FirmwareName.UEFI,
    attachment: Annotated[Attachment, typer.Option(help="How the ISO is connected.")] = Attachment.CDROM,
    memory: Annotated[int, typer.Option(help="Memory in MiB.", min=64)] = 1536,
    disk: Annotated[
        list[Path] | None,
        typer.Option(help="A further disk; repeatable. What is written to it is forgotten.", show_default=False),
    ] = None,
) -> None:
    """Starts a live ISO in a machine, with its serial console on the terminal; Ctrl-A X ends it.

    Without a terminal it shows the console until the login prompt or a failure, and ends with 0, 1 (the
    medium is wrong) or 75 (this host could not find out). Nothing is left behind.
    """
    from mic.programs import require
    from verify.machine.by_hand import run_on_terminal, show_boot
    from verify.machine.firmware import Firmware
    from verify.machine.spec import MachineSpec

    require("qemu-system-x86_64")
    for file in (medium, *(disk or ())):
        if not file.is_file():
            raise UserError("there is no such file", where=file)
    disks = tuple(path.absolute() for path in disk or ())
    spec = MachineSpec(medium.absolute(), Firmware(firmware.value), attachment, memory, other_disks=disks)
    sys.exit(run_on_terminal(spec) if sys.stdin.isatty() else show_boot(spec, sys.stdout.buffer))
