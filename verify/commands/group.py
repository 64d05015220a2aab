"""`mic verify`: a group of commands, of which the one that takes an ISO is meant when none is named."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from verify.commands.ending import ending_in_a_verdict
from verify.commands.job import job
from verify.commands.matrix_plan import plan
from verify.commands.merge import merge
from verify.commands.run import run
from verify.commands.schema import schema
from verify.commands.verify import verify

_DEFAULT = "iso"
_HELP_OPTIONS = ("--help", "-h")


class _VerifyGroup(TyperGroup):
    """Takes ``mic verify live.iso`` for ``mic verify iso live.iso``, and ends in a verdict whatever happens."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in _HELP_OPTIONS:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> object:
        with ending_in_a_verdict():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_VerifyGroup,
    no_args_is_help=True,
    subcommand_metavar="LIVE.ISO --config-file CONFIG | COMMAND ...",
    pretty_exceptions_enable=False,
    help="""Boots live ISOs and proves what the configuration asked for.

    One ISO on this machine: mic verify LIVE.ISO --config-file CONFIG.yaml
    (its options: mic verify iso --help)

    Many cells on many machines: plan writes them down, run runs one (or all), merge joins what came of them.

    Exit code 0: everything asked for is there. 1: the medium is wrong. 75: the harness or this host could not
    find out. 2: usage.
    """,
)
app.command(_DEFAULT)(verify)
app.command("plan")(plan)
app.command("run")(run)
app.command("merge")(merge)
app.command("schema")(schema)
app.command("job")(job)
