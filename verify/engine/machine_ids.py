"""Who else has a machine's id: the medium's own rootfs, or another machine of the run."""

from __future__ import annotations

from collections.abc import Iterator

from mic.errors import UserError
from verify.medium import open_medium
from verify.plan import MachineCell, Plan
from verify.verdict import ProductFailure

FILE_NAME = "machine-id"


def others_with(machine_id: str, plan: Plan, cell: MachineCell) -> tuple[str, ...]:
    """Leaves `machine_id` in the cell's evidence; returns who else has it, in words.

    Of two machines the one that looks later finds the other's, whichever of them that is.
    """
    evidence = plan.evidence_of(cell.id)
    evidence.mkdir(parents=True, exist_ok=True)
    (evidence / FILE_NAME).write_text(f"{machine_id}\n")
    return tuple(who for who, id in _known_ids(plan, cell) if id == machine_id)


def _known_ids(plan: Plan, cell: MachineCell) -> Iterator[tuple[str, str]]:
    yield "the rootfs on the medium", _baked_in(plan)
    for other in plan.cells:
        file = plan.evidence_of(other.id) / FILE_NAME
        if other.id != cell.id and file.exists():
            yield f"the machine {other.id}", file.read_text().strip()


def _baked_in(plan: Plan) -> str:
    """The machine-id in the medium's squashfs, as it stands there; empty where there is none to be read."""
    try:
        with open_medium(plan.medium) as medium:
            return medium.live_rootfs().read_text("/etc/machine-id").strip()
    except (ProductFailure, UserError):  # that the medium cannot be read is told by the checks that look at it
        return ""
