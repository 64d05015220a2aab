"""What a configuration may hold by the contract and `mic build` refuses for a live ISO."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mic.config.config_section import ConfigSection
from mic.config.section import Section
from mic.errors import UserError


@dataclass(frozen=True)
class _RefusedKey:
    """A key, below SystemConfig wherever that stands, and why it is refused."""

    path: str
    reason: str
    hint: str | None = None


def _of_disks(path: str, reason: str) -> _RefusedKey:
    message = f"concerns disk outputs and does not apply to an ISO: {reason}"
    return _RefusedKey(path, message, "leave it out for an ISO")


_REFUSED = (
    _of_disks("Disks", "the layout of the medium is always the same"),
    _of_disks("SystemConfig.BootType", "the medium boots under UEFI and BIOS alike"),
    _of_disks("SystemConfig.PartitionSettings", "a live system mounts no partitions and has no /etc/fstab"),
    _of_disks("SystemConfig.Verity", "the root of a live system is a squashfs under an overlay, without dm-verity"),
)


def problems_of_iso_output(config: ConfigSection) -> Iterator[UserError]:
    """An error for every key that a live ISO would pass over in silence; one that asks for nothing is let through."""
    for refused in _REFUSED:
        *above, key = refused.path.split(".")
        section = _section_at(config, above)
        if section is not None and getattr(section, section.known_keys()[key]):
            yield section.problem(refused.reason, at=key, hint=refused.hint)


def _section_at(config: ConfigSection, path: list[str]) -> Section | None:
    section: Section | None = config
    for key in path:
        if section is None:
            return None
        section = config.system if key == "SystemConfig" else getattr(section, section.known_keys()[key])
    return section
