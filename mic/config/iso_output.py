"""What a configuration may hold by the contract and `mic build` refuses for a live ISO."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from mic.config.configuration import Config
from mic.config.tree import problem_at
from mic.config.unsupported import UNSUPPORTED
from mic.errors import UserError


@dataclass(frozen=True)
class _RefusedKey:
    """A key; what it becomes in the Config, where one that asks for nothing is let through; why it is refused."""

    path: str
    attribute: str
    reason: str
    hint: str | None = None


def _of_disks(path: str, attribute: str, reason: str) -> _RefusedKey:
    message = f"concerns disk outputs and does not apply to an ISO: {reason}"
    return _RefusedKey(path, attribute, message, "leave it out for an ISO")


_REFUSED = (
    _of_disks("Disks", "disks", "the layout of the medium is always the same"),
    _of_disks("SystemConfig.BootType", "system_config.boot_type", "the medium boots under UEFI and BIOS alike"),
    _of_disks(
        "SystemConfig.PartitionSettings",
        "system_config.partition_settings",
        "a live system mounts no partitions and has no /etc/fstab",
    ),
    _of_disks(
        "SystemConfig.Verity",
        "system_config.verity",
        "the root of a live system is a squashfs under an overlay, without dm-verity",
    ),
    *(_RefusedKey(*row) for row in UNSUPPORTED),
)


def problems_of_iso_output(config: Config) -> tuple[UserError, ...]:
    """Every key of `config` that a live ISO would pass over in silence, in the order of the file."""
    found = [
        (config.position_of(key.path), path, key.reason, key.hint)
        for key in _REFUSED
        if attrgetter(key.attribute)(config) and (path := config.written_path(key.path)) is not None
    ]
    return tuple(problem_at(*each) for each in sorted(found, key=lambda each: each[0]))
