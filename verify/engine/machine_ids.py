"""Who else has a machine's id: the medium's own rootfs, or another machine of the run."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from mic.errors import UserError
from verify.engine.events import MachineIdRead, tell
from verify.medium import open_medium
from verify.plan import MachineCell, Plan
from verify.verdict import ProductFailure

FILE_NAME = "machine-id.hmac-sha256"
_APPLICATION = b"mic verify"


def digest_of(machine_id: str) -> str:
    """What may be told of an id: keyed by the id itself, as machine-id(5) asks of applications."""
    return hmac.new(machine_id.encode(), _APPLICATION, hashlib.sha256).hexdigest()


def others_with(machine_id: str, plan: Plan, cell: MachineCell) -> tuple[str, ...]:
    """Leaves a digest of `machine_id` in the cell's evidence and tells it; returns who else has that id, in words.

    Of two machines the one that looks later finds the other's, whichever of them that is. Of machines that ran in
    other runs the digest in the report tells (`verify.matrix.shared_ids`).
    """
    digest = digest_of(machine_id)
    evidence = plan.evidence_of(cell.id)
    evidence.mkdir(parents=True, exist_ok=True)
    (evidence / FILE_NAME).write_text(f"{digest}\n")
    tell(plan.events_file, MachineIdRead(cell.id, digest))
    return tuple(who for who, known in _known_digests(plan, cell) if known == digest)


def _known_digests(plan: Plan, cell: MachineCell) -> Iterator[tuple[str, str]]:
    yield "the rootfs on the medium", digest_of(_baked_in(plan))
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
