"""`mic verify run`: one cell of a plan, or many."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mic.errors import UserError


def run(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN.json", help="What mic verify plan wrote.")],
    report_dir: Annotated[Path, typer.Option(help="Where the report goes.")],
    cell: Annotated[
        str | None,
        typer.Option(
            help="The cell's number (from 0) or id; all cells if not given.",
            envvar="JOB_COMPLETION_INDEX",
            show_default=False,
        ),
    ] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only every N-th cell, from the I-th on.")] = None,
    keyword: Annotated[str | None, typer.Option("-k", help="Only checks whose name matches, as for pytest.")] = None,
    processes: Annotated[int | None, typer.Option("-n", min=1, help="How many cells run side by side.")] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="How often a cell that ended in a fault is run again; a failure never is.")
    ] = 0,
) -> None:
    """Runs one cell of a plan; or all, or a shard of them, side by side on this machine."""
    from verify.matrix.cell_run import run_cell, run_cells
    from verify.matrix.cell_run import shard as every_nth
    from verify.matrix.merge import merge
    from verify.matrix.plan_file import read_matrix_plan

    if cell is not None and shard is None:
        sys.exit(run_cell(plan_file, cell, report_dir, keyword=keyword, retries=retries))
    cells = list(read_matrix_plan(plan_file).cells)
    if shard is not None:
        try:
            cells = every_nth(cells, shard)
        except ValueError:
            raise UserError(f"--shard {shard} is not I/N with I from 1 to N", hint="as 2/3") from None
    options = ["--retries", str(retries), *(["-k", keyword] if keyword is not None else [])]
    results = report_dir / "results"
    run_cells(plan_file, cells, results, options, processes)
    merged = merge([results], report_dir, plan_file, cells)
    print(f"{merged.summary()}; report: {report_dir / 'index.html'}", flush=True)
    sys.exit(merged.verdict.exit_code)
