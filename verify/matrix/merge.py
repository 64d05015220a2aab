"""The results of many cells become one: each cell's tries, and one verdict.

A product failure of any try counts, because what was seen to be wrong stays wrong; otherwise the last try does.
A cell without a result is a harness fault.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import TypeAdapter, ValidationError

from mic.errors import UserError
from verify import judgement
from verify.matrix.cell_run import PLAN_COPY_NAME, RESULT_NAME, Result
from verify.matrix.plan_file import Cell, plan_digest, read_matrix_plan
from verify.matrix.shared_ids import BootId, boot_ids, shared
from verify.outcome import Outcome
from verify.report.model import Report
from verify.report.summary import ended, nth
from verify.verdict import Verdict

_NO_RESULT = "no result of this cell was handed in"
_NO_END = "it was begun, and left no report"


@dataclass(frozen=True)
class CellTry:
    """One run of a cell: what it ended as (in words), why it is no pass, and where its own report lies."""

    verdict: Verdict
    words: str
    reasons: tuple[str, ...]
    begun: float
    seconds: float
    evidence: str


@dataclass(frozen=True)
class MergedCell:
    """One cell; `verdict` is None where -k has left out all its checks."""

    index: int
    id: str
    verdict: Verdict | None
    words: str
    tries: tuple[CellTry, ...]


@dataclass(frozen=True)
class MergedMedium:
    """A medium of the plan."""

    name: str
    path: str
    sha256: str
    config_file: str


@dataclass(frozen=True)
class Merged:
    """All cells of a plan, or those of a shard."""

    verdict: Verdict
    plan_sha256: str
    keyword: str | None
    media: tuple[MergedMedium, ...]
    cells: tuple[MergedCell, ...]

    def summary(self) -> str:
        """A line per cell, the reasons of those that are no pass, and the verdict."""
        width = max((len(cell.id) for cell in self.cells), default=0)
        lines = []
        for cell in self.cells:
            lines.append(f"{cell.index:4} {cell.id:<{width}}  {cell.words}")
            lines += [f"       {reason}" for one in cell.tries for reason in one.reasons]
        return "\n".join([*lines, self.verdict.value])


_MERGED = TypeAdapter(Merged)


@dataclass(frozen=True)
class _Found:
    """A result's directory and its report; None where the run came to no end."""

    directory: Path
    report: Report | None

    @property
    def begun(self) -> float:
        return self.report.begun if self.report else (self.directory / RESULT_NAME).stat().st_mtime


def merge(
    directories: Sequence[Path], out: Path, plan_file: Path | None = None, only: Sequence[Cell] | None = None
) -> Merged:
    """Joins all results at or below `directories` into a report in `out`; `only` are the cells that are asked for.

    Raises `UserError` when results are of different plans, of another plan than `plan_file`, or of a medium that
    is not the planned one, and when there is neither a plan nor a result.
    """
    found = _results(directories, out)
    if plan_file is None:
        if not found:
            raise UserError("there is no result of mic verify run", where=str(directories[0]), hint="or give --plan")
        plan_file = found[0].directory / PLAN_COPY_NAME
    plan, digest = read_matrix_plan(plan_file), plan_digest(plan_file)
    by_cell: dict[str, list[_Found]] = {}
    planned_cells = {cell.id: cell for cell in plan.cells}
    for one in found:
        by_cell.setdefault(_cell_of(one, digest, planned_cells), []).append(one)
    keyword = _keyword(found)
    out.mkdir(parents=True, exist_ok=True)
    wanted = plan.cells if only is None else tuple(only)
    same_id = shared(boot for cell in plan.cells for boot in _boots(cell, by_cell.get(cell.id, [])))
    cells = tuple(
        _with_shared_id(_merged_cell(cell, by_cell.get(cell.id, []), out), same_id.get(cell.id, ())) for cell in wanted
    )
    verdict = judgement.worst(cell.verdict for cell in cells if cell.verdict is not None)
    media = tuple(
        MergedMedium(one.name, str(one.plan.medium), one.medium_sha256, str(one.plan.config_file)) for one in plan.media
    )
    merged = Merged(verdict, digest, keyword, media, cells)
    _write(merged, out)
    return merged


def _results(directories: Sequence[Path], out: Path) -> list[_Found]:
    found = {}
    copies = (out / "results").resolve()
    for directory in directories:
        if not directory.is_dir():
            raise UserError("there is no such directory", where=directory)
        # `out` may lie within the directory: what an earlier merge has copied there is no result of its own.
        is_outside = not directory.resolve().is_relative_to(copies)
        for path in sorted(directory.rglob(RESULT_NAME)):
            if not (is_outside and path.resolve().is_relative_to(copies)):
                found[path.resolve()] = _Found(path.parent, _report(path.parent))
    return sorted(found.values(), key=lambda one: one.begun)


def _report(directory: Path) -> Report | None:
    try:
        return Report.from_json((directory / "report.json").read_bytes())
    except (OSError, ValidationError):
        return None


def _cell_of(found: _Found, digest: str, cells: dict[str, Cell]) -> str:
    result = Result.read(found.directory / RESULT_NAME)
    if result is None:
        raise UserError("this is no result", where=found.directory / RESULT_NAME)
    if result.plan_sha256 != digest or result.cell not in cells:
        raise UserError("this is a result of another plan", where=found.directory, hint="merge each plan by itself")
    if found.report is not None and found.report.medium_sha256 != cells[result.cell].medium.medium_sha256:
        raise UserError("this is a result of another medium than the plan's", where=found.directory)
    return result.cell


def _keyword(found: Sequence[_Found]) -> str | None:
    keywords = {one.report.keyword for one in found if one.report is not None}
    if len(keywords) > 1:
        raise UserError("these results are of runs with different -k", hint="run the cells again with one")
    return next(iter(keywords), None)


def _merged_cell(cell: Cell, found: Sequence[_Found], out: Path) -> MergedCell:
    tries = [_try(cell, number, one, out) for number, one in enumerate(found, start=1)]
    looked_at = tuple(one for one in tries if one is not None)
    if found and not looked_at:
        return MergedCell(cell.index, cell.id, None, "left out by -k", ())
    if not looked_at:
        fault = Verdict.HARNESS_FAULT
        nothing = CellTry(fault, fault.value, (_NO_RESULT,), 0.0, 0.0, "")
        return MergedCell(cell.index, cell.id, fault, f"{fault.value}: {_NO_RESULT}", (nothing,))
    wrong = [one for one in looked_at if one.verdict is Verdict.PRODUCT_FAILURE]
    counted = wrong[-1] if wrong else looked_at[-1]
    words = counted.words
    if len(looked_at) > 1:
        words += f" at the {nth(looked_at.index(counted) + 1)} of {len(looked_at)} runs"
    return MergedCell(cell.index, cell.id, counted.verdict, words, looked_at)


def _boots(cell: Cell, found: Sequence[_Found]) -> Iterator[BootId]:
    for one in found:
        if one.report is not None:
            yield from boot_ids(cell.id, cell.own_id, one.report)


def _with_shared_id(cell: MergedCell, others: tuple[str, ...]) -> MergedCell:
    """The cell, as a product failure where `others` have had its machine's id: each run by itself cannot see that."""
    if not others:
        return cell
    failure = Verdict.PRODUCT_FAILURE
    names = " and ".join("another boot of this cell" if other == cell.id else other for other in others)
    reason = (
        f"{failure.value}: The machine has an id of its own [live.machine-id]: its machine id is also that of {names}"
    )
    last = replace(cell.tries[-1], verdict=failure, words=failure.value, reasons=(*cell.tries[-1].reasons, reason))
    return replace(cell, verdict=failure, words=failure.value, tries=(*cell.tries[:-1], last))


def _try(cell: Cell, number: int, found: _Found, out: Path) -> CellTry | None:
    """One result, its directory copied; None when -k left out all checks of the cell."""
    name = f"results/{cell.id}" + ("" if number == 1 else f"-run-{number}")
    if found.directory.resolve() != (out / name).resolve():
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.copytree(found.directory, out / name)
    if found.report is None:
        fault = Verdict.HARNESS_FAULT
        return CellTry(fault, fault.value, (_NO_END,), found.begun, 0.0, name)
    report = found.report
    own = [one for one in report.cells if one.id == cell.own_id]
    if not own:
        if report.keyword is not None and not report.cells:
            return None
        return CellTry(Verdict.HARNESS_FAULT, "harness fault", (_NO_RESULT,), report.begun, report.seconds, name)
    reasons = [_reason(outcome) for try_ in (*own[0].earlier_tries, own[0]) for outcome in try_.outcomes]
    # Both are looked at: what the report says of itself, and what its checks say.
    verdict = judgement.worst([report.verdict, own[0].verdict, judgement.judge(own[0].outcomes)])
    return CellTry(verdict, ended(own[0]), tuple(filter(None, reasons)), report.begun, report.seconds, name)


def _reason(outcome: Outcome) -> str:
    if outcome.verdict in (Verdict.PASS, None):
        return ""
    return f"{outcome.verdict.value}: {outcome.requirement} [{outcome.id}]: {outcome.reason}"


def _write(merged: Merged, out: Path) -> None:
    (out / "report.json").write_bytes(_MERGED.dump_json(merged, indent=2) + b"\n")
    environment = Environment(
        loader=PackageLoader("verify.matrix", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    (out / "index.html").write_text(environment.get_template("overview.html").render(merged=merged))
    ElementTree.ElementTree(_junit(merged)).write(out / "junit.xml", encoding="utf-8", xml_declaration=True)


def _junit(merged: Merged) -> ElementTree.Element:
    """One suite, one case per cell: the checks are in each cell's own junit.xml."""
    cells = [cell for cell in merged.cells if cell.verdict is not None]
    counts = {
        "tests": len(cells),
        "failures": _count(cells, Verdict.PRODUCT_FAILURE),
        "errors": _count(cells, Verdict.HARNESS_FAULT) + _count(cells, Verdict.HOST_FAULT),
        "skipped": 0,
    }
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", {"name": "mic verify", **{k: str(v) for k, v in counts.items()}})
    for cell in cells:
        seconds = sum(one.seconds for one in cell.tries)
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": cell.id.partition(".")[0], "name": cell.id, "time": f"{seconds:.3f}"}
        )
        if cell.verdict is not Verdict.PASS:
            kind = "failure" if cell.verdict is Verdict.PRODUCT_FAILURE else "error"
            element = ElementTree.SubElement(case, kind, {"message": cell.words})
            element.text = json.dumps([one.reasons for one in cell.tries], indent=1)
    return root


def _count(cells: Sequence[MergedCell], verdict: Verdict) -> int:
    """How many cells ended so."""
    return sum(cell.verdict is verdict for cell in cells)
