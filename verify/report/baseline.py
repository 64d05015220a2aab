"""Boot times of earlier runs, kept in a JSON file, to compare with: same kind of host, same cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from mic.errors import UserError
from verify.machine.phase import Phase
from verify.report.model import CellReport

Phases = dict[str, float]
_FILE: TypeAdapter[dict[str, dict[str, Phases]]] = TypeAdapter(dict[str, dict[str, Phases]])


@dataclass(frozen=True)
class Baseline:
    """For each host class and cell: seconds from the start to each phase, without what the host took away."""

    hosts: Mapping[str, Mapping[str, Phases]]

    @classmethod
    def read(cls, file: Path) -> Baseline:
        """Raises `UserError` when `file` is missing or no baseline."""
        try:
            return cls(MappingProxyType(_FILE.validate_json(file.read_bytes())))
        except OSError as error:
            raise UserError(
                f"the baseline cannot be read: {error.strerror}",
                where=file,
                hint="mic verify --update-baseline FILE writes one",
            ) from error
        except ValidationError as error:
            raise UserError("this is no baseline of boot times", where=file) from error

    def phases(self, host_class: str, cell: str) -> Mapping[str, float] | None:
        """The times of `cell` on such a host; None where there are none yet."""
        return self.hosts.get(host_class, {}).get(cell)

    def updated(self, cells: Iterable[CellReport]) -> Baseline:
        """With the times of every cell of `cells` that came to its login prompt."""
        hosts = {host: dict(of_host) for host, of_host in self.hosts.items()}
        for cell in cells:
            if cell.machine is None or cell.machine.host_class is None:
                continue
            phases = {time.phase: round(time.own_seconds, 3) for time in cell.machine.phases}
            if str(Phase.LOGIN) in phases:
                hosts.setdefault(cell.machine.host_class.key, {})[cell.id] = phases
        return Baseline(MappingProxyType(hosts))

    def write(self, file: Path) -> None:
        """Raises `UserError` when `file` cannot be written."""
        content = _FILE.dump_json({host: dict(cells) for host, cells in sorted(self.hosts.items())}, indent=2)
        try:
            file.write_bytes(content + b"\n")
        except OSError as error:
            raise UserError(f"the baseline cannot be written: {error.strerror}", where=file) from error


@dataclass(frozen=True)
class Comparison:
    """Boot times of earlier runs: which file to compare with, how many times as long is too long, which to update.

    Without a tolerance a comparison informs and decides nothing.
    """

    baseline: Path | None = None
    tolerance: float | None = None
    update: Path | None = None

    def read(self) -> Baseline | None:
        """What to compare with. Raises `UserError` for either file, before a long run has been in vain."""
        if self.update is not None:
            _kept_so_far(self.update)
        return None if self.baseline is None else Baseline.read(self.baseline)

    def keep(self, cells: Iterable[CellReport]) -> None:
        """Writes the boot times of a run into the file to update. Raises `UserError`."""
        if self.update is not None:
            _kept_so_far(self.update).updated(cells).write(self.update)


NO_COMPARISON = Comparison()


def _kept_so_far(file: Path) -> Baseline:
    if not file.parent.is_dir():
        raise UserError("there is no such directory", where=file.parent)
    return Baseline.read(file) if file.exists() else Baseline({})
