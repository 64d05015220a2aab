"""`mic verify merge`: one report of all cells."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def merge(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Where results lie, at any depth.")],
    report_dir: Annotated[Path, typer.Option(help="Where the joined report goes.")],
    plan: Annotated[
        Path | None, typer.Option(help="The plan, for when no result came back at all.", show_default=False)
    ] = None,
) -> None:
    """Joins the results of cells into one report; a cell without a result is a harness fault."""
    from verify.matrix.merge import merge as join

    merged = join(directories, report_dir, plan)
    print(f"{merged.summary()}; report: {report_dir / 'index.html'}", flush=True)
    sys.exit(merged.verdict.exit_code)
