"""Runs cells of a plan: one in this process, or many, each in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from verify.matrix.plan_file import Cell, plan_digest, read_matrix_plan
from verify.plan import machines_side_by_side
from verify.run import run_plan

RESULT_NAME = "result.json"
PLAN_COPY_NAME = "matrix.json"


@dataclass(frozen=True)
class Result:
    """Which cell of which plan the report beside it is of; written before the cell is run."""

    plan_sha256: str
    cell: str

    def to_json(self) -> bytes:
        return _RESULT.dump_json(self, indent=2) + b"\n"

    @classmethod
    def read(cls, path: Path) -> Result | None:
        """None when the file holds no result."""
        try:
            return _RESULT.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None


_RESULT = TypeAdapter(Result)


def run_cell(plan_file: Path, name: str, report_dir: Path, *, keyword: str | None = None, retries: int = 0) -> int:
    """Runs one cell and writes its report and whose it is; returns the exit code, as `run_plan` does.

    Raises `UserError` when a file of the cell is not the one that was planned for.
    """
    cell = read_matrix_plan(plan_file).cell(name)
    cell.medium.require_unchanged()
    report_dir.mkdir(parents=True, exist_ok=True)
    (report_dir / "report.json").unlink(missing_ok=True)
    (report_dir / PLAN_COPY_NAME).write_bytes(plan_file.read_bytes())
    (report_dir / RESULT_NAME).write_bytes(Result(plan_digest(plan_file), cell.id).to_json())
    return run_plan(cell.plan(report_dir), keyword=keyword, processes=1, retries=retries)


def run_cells(
    plan_file: Path, cells: Sequence[Cell], results: Path, options: Sequence[str], at_once: int | None = None
) -> None:
    """Runs `cells`, as many at once as this host's memory and cores allow; each leaves a directory in `results`."""
    machines = [cell.machine for cell in cells if cell.machine is not None]
    with ThreadPoolExecutor(at_once or machines_side_by_side(machines)) as pool:
        list(pool.map(lambda cell: _run_apart(plan_file, cell, results / cell.id, options), cells))


def _run_apart(plan_file: Path, cell: Cell, report_dir: Path, options: Sequence[str]) -> None:
    command = [sys.executable, "-m", "mic.cli", "verify", "run", str(plan_file), "--cell", cell.id]
    # Nothing of an earlier run may be taken for this one's result.
    shutil.rmtree(report_dir, ignore_errors=True)
    report_dir.mkdir(parents=True)
    with (report_dir / "output.log").open("w") as log:
        done = subprocess.run(
            [*command, "--report-dir", str(report_dir), *options], stdout=log, stderr=subprocess.STDOUT, check=False
        )
    print(f"{cell.index:4} {cell.id}: exit code {done.returncode}", flush=True)


def shard(cells: Sequence[Cell], text: str) -> list[Cell]:
    """Every n-th cell, from the i-th on, for ``i/n``. Raises `ValueError` when `text` is not of that form."""
    number, count = map(int, text.split("/"))
    if not 1 <= number <= count:
        raise ValueError(text)
    return list(cells[number - 1 :: count])
