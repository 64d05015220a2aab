"""How often the harness cries wolf: one good medium, booted again and again, every check made each time.

    python -m verify.soak live.iso --config-file config.yaml --boots 100

The medium must be known to be good: whatever is red is then a false alarm. Prints how many of the boots had
one and which checks gave it. Exit code 0 without any, 1 with, 2 for usage.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated

import typer

from verify.commands.program import run_program
from verify.commands.verify import FirmwareName
from verify.machine.firmware import Firmware
from verify.machine.phase import Phase
from verify.plan import MEDIUM_CELL_ID, MachineCell, Plan
from verify.report.model import CellReport, Report
from verify.report.page import word
from verify.run import run_plan
from verify.verdict import Verdict

_FEWEST_BOOTS = 1
_ALARM_EXIT_CODE = 1


def soak_cells(boots: int, firmwares: Sequence[Firmware]) -> tuple[MachineCell, ...]:
    """`boots` machines, the firmwares in turn."""
    return tuple(MachineCell(firmware, boot=number) for number, firmware in zip(range(1, boots + 1), cycle(firmwares)))


@dataclass(frozen=True)
class Soak:
    """What came of the boots: `alarms` are the checks that were no pass, `seconds` the times to a login."""

    boots: int
    quiet: int
    alarms: tuple[str, ...]
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, cells: Sequence[CellReport]) -> Soak:
        """Counts the cells of machines; the medium's own cell is looked at once and counts with its alarms only."""
        machines = [cell for cell in cells if cell.id != MEDIUM_CELL_ID]
        alarms = [
            f"{word(outcome.verdict)}: {outcome.id}: {(outcome.reason or 'without a reason').splitlines()[0]}"
            for cell in cells
            for outcome in cell.outcomes
            if outcome.verdict is not Verdict.PASS
        ]
        seconds = [
            phase.seconds
            for cell in machines
            if cell.machine is not None
            for phase in cell.machine.phases
            if phase.phase == str(Phase.LOGIN)
        ]
        quiet = sum(cell.verdict is Verdict.PASS for cell in machines)
        return cls(len(machines), quiet, tuple(alarms), tuple(seconds))

    @property
    def clean(self) -> bool:
        """Whether there were boots, and every one passed every check."""
        return self.boots > 0 and self.quiet == self.boots and not self.alarms

    def lines(self) -> list[str]:
        """The result in words."""
        lines = [f"{self.boots} boots of a good medium: {self.boots - self.quiet} with a false alarm"]
        if self.clean:
            # The rule of three: with no event in n trials, 3/n bounds the rate at 95 % confidence.
            lines.append(f"with 95 % confidence the rate is below {min(100.0, 300 / self.boots):.1f} %")
        lines += [f"  {number} x {alarm}" for alarm, number in Counter(self.alarms).most_common()]
        if self.seconds:
            low, middle, high = min(self.seconds), statistics.median(self.seconds), max(self.seconds)
            lines.append(f"seconds to the login prompt: {low:.1f} to {high:.1f}, median {middle:.1f}")
        return lines


def soak(
    medium: Annotated[Path, typer.Argument(help="A live ISO that is known to be good.", show_default=False)],
    config_file: Annotated[Path, typer.Option(help="The configuration it was made with.")],
    boots: Annotated[int, typer.Option(min=_FEWEST_BOOTS, help="How many machines to boot.")] = 100,
    firmware: Annotated[
        list[FirmwareName] | None,
        typer.Option(help="Firmware to boot with; repeatable; both in turn if not given.", show_default=False),
    ] = None,
    report_dir: Annotated[
        Path | None, typer.Option(help="Where the report goes; NAME-soak beside the ISO.", show_default=False)
    ] = None,
    processes: Annotated[int | None, typer.Option("-n", min=1, help="How many machines run side by side.")] = None,
) -> None:
    """Boots one good medium again and again and counts false alarms."""
    firmwares = [Firmware(name.value) for name in firmware or list(FirmwareName)]
    report = report_dir or medium.with_name(f"{medium.stem}-soak")
    plan = Plan(medium.absolute(), config_file.absolute(), report.absolute(), soak_cells(boots, firmwares))
    run_plan(plan, processes=processes)
    found = Soak.of(Report.from_json((plan.report_dir / "report.json").read_bytes()).cells)
    print("\n".join(found.lines()), flush=True)
    sys.exit(0 if found.clean else _ALARM_EXIT_CODE)


def main() -> None:
    """Ends with exit code 2 for what the caller can mend."""
    run_program("soak", soak)


if __name__ == "__main__":
    main()
