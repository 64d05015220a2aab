"""What an audit says: facts, findings, and what it could not judge. Values only; JSON both ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from verify.audit.facts import BootFacts, LiveSystemFacts
from verify.machine.firmware import Firmware
from verify.verdict import HarnessFault


class Aspect(Enum):
    """What the audit judges; the values are the ids of the checks in reports and in ``-k``."""

    BOOT_CATALOGUE_BIOS = "live.boot-catalogue-bios"
    BOOT_CATALOGUE_UEFI = "live.boot-catalogue-uefi"
    EL_TORITO_BIOS = "live.el-torito-bios"
    EFI_IMAGE = "live.efi-image"
    PARTITION_TABLE = "live.partition-table"
    VOLUME_LABEL = "live.volume-label"
    BOOT_FILES = "live.boot-files"
    KERNEL_MATCHES = "live.kernel-matches"
    INITRD_MODULES = "live.initrd-modules"
    INITRD_DRIVERS = "live.initrd-drivers"
    LIVE_ARGUMENTS = "live.live-arguments"
    SQUASHFS = "live.squashfs"
    SQUASHFS_COMPLETE = "live.squashfs-complete"
    CHECKSUM = "live.checksum"
    NO_FSTAB = "live.no-fstab"
    NO_MACHINE_ID = "live.no-machine-id"
    CLOUD_USER_DATA = "cloud-init.schema.user-data"
    CLOUD_META_DATA = "cloud-init.schema.meta-data"
    CLOUD_NETWORK_CONFIG = "cloud-init.schema.network-config"

    def __str__(self) -> str:
        return self.value


CLOUD_ASPECTS = frozenset({Aspect.CLOUD_USER_DATA, Aspect.CLOUD_META_DATA, Aspect.CLOUD_NETWORK_CONFIG})


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `fatal_for`: the firmwares under which the medium therefore cannot boot."""

    aspect: Aspect
    text: str
    fatal_for: frozenset[Firmware] = frozenset()


@dataclass(frozen=True)
class Unjudged:
    """An aspect that could not be looked at, and why: `because` of another one's finding, or of this host."""

    aspect: Aspect
    reason: str
    because: Aspect | None = None


@dataclass(frozen=True)
class Seen:
    """An aspect that was looked at, and in short what was there."""

    aspect: Aspect
    text: str


@dataclass(frozen=True)
class Audit:
    """The whole audit of one medium. An aspect with neither finding nor `Unjudged` but with `Seen` is good.

    `size` is in bytes, `sha256` that of all of them, `seconds` how long the audit took. None of its texts holds a
    password, a hash or a key.
    """

    medium: Path
    size: int
    sha256: str
    volume_label: str
    boot: BootFacts
    live: LiveSystemFacts
    seen: tuple[Seen, ...]
    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]
    seconds: float

    def findings_on(self, aspect: Aspect) -> tuple[Finding, ...]:
        """What is wrong with this aspect."""
        return tuple(finding for finding in self.findings if finding.aspect is aspect)

    def fatal_for(self, firmware: Firmware) -> tuple[Finding, ...]:
        """The findings for which the medium cannot boot under this firmware."""
        return tuple(finding for finding in self.findings if firmware in finding.fatal_for)

    @property
    def judged(self) -> frozenset[Aspect]:
        """The aspects of which the audit says anything at all."""
        records: Iterable[Seen | Finding | Unjudged] = (*self.seen, *self.findings, *self.unjudged)
        return frozenset(record.aspect for record in records)

    @property
    def not_checked(self) -> tuple[str, ...]:
        """What nothing on the medium allows to check, in sentences: no finding, but no proof either."""
        if Aspect.CHECKSUM in self.judged:
            return ()
        return ("the medium has no checksum implanted (implantisomd5), so that it was not checked against one",)

    def to_json(self) -> bytes:
        """The audit as JSON, indented; `from_json` reads it back."""
        return _AUDIT.dump_json(self, indent=2) + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Audit:
        """Raises `pydantic.ValidationError` when `content` is no audit."""
        return _AUDIT.validate_json(content)

    @classmethod
    def read(cls, path: Path) -> Audit:
        """Raises `HarnessFault` when the file is no audit."""
        try:
            return cls.from_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise HarnessFault(f"{path} is no audit: {error}") from error


_AUDIT = TypeAdapter(Audit)
