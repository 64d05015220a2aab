"""The command line: the only place that knows both the conversion and the verification."""

from __future__ import annotations

import typer

from mic.commands.build import build
from mic.commands.ending import reported_errors
from mic.commands.schema import schema
from mic.commands.validate import validate
from verify.commands.boot import boot
from verify.commands.group import app as verify_commands
from verify.commands.inspect import inspect

app = typer.Typer(
    name="mic",
    help="Turns a Linux disk image into a live ISO, and proves that it boots.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(build)
app.command()(validate)
app.command()(schema)
app.command()(inspect)
app.add_typer(verify_commands, name="verify")
app.command()(boot)


def main() -> None:
    """The program `mic`."""
    with reported_errors():
        app()


if __name__ == "__main__":
    main()
