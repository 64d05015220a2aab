"""The files behind a machine's writable disks, compared before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verify.machine.disk_content import content_digest
from verify.machine.disk_counts import DiskWrites
from verify.machine.spec import MachineSpec
from verify.verdict import HarnessFault, HostFault


@dataclass(frozen=True)
class DiskContents:
    """Each disk that the guest can write to, with a checksum of its file."""

    digests: tuple[tuple[Path, str], ...]

    @classmethod
    def of(cls, spec: MachineSpec) -> DiskContents:
        """Reads every disk, and the medium where it is not a CD; one that appears twice is read once."""
        medium = () if spec.attachment.is_optical else (spec.medium,)
        return cls.read((*medium, *spec.other_disks))

    @classmethod
    def read(cls, disks: tuple[Path, ...]) -> DiskContents:
        return cls(tuple((disk, content_digest(disk)) for disk in dict.fromkeys(disks)))

    def compare(self, writes: tuple[DiskWrites, ...]) -> str:
        """Reads the disks again; `writes` is what QEMU counted.

        QEMU keeps what a guest writes apart from the file (snapshot=on), so a file that has changed is not
        the medium's doing: raises `HarnessFault` where the guest has written to that disk, because then the
        layer did not hold, and `HostFault` where it has not.
        """
        now = dict(DiskContents.read(tuple(disk for disk, _ in self.digests)).digests)
        for disk, before in self.digests:
            if now[disk] == before:
                continue
            if any(write.disk == disk and (write.operations or write.discards) for write in writes):
                raise HarnessFault(f"{disk} has changed: what the guest wrote was not kept apart from the file")
            raise HostFault(f"{disk} has changed, and not by the guest: something else on this host has written to it")
        shown = [f"{disk.name} {digest[:16]}" for disk, digest in self.digests]
        return f"the same SHA-256 before and after: {', '.join(shown)}" if shown else "no disk but the CD"
