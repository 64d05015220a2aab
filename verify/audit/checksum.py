"""The medium's own checksum, as isomd5sum's implantisomd5 leaves it in the primary volume descriptor.

The application use field holds "ISO MD5SUM = <32 hex digits>;SKIPSECTORS = <n>;..." in ASCII. The MD5 covers the
volume from its first byte to its last but n sectors of 2048 bytes, with the application use field taken as blanks
(isomd5sum: libcheckisomd5.c, utilities.c). What lies behind the volume - an appended EFI partition, the GPT's
backup - it does not cover.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from verify.audit.ledger import Ledger
from verify.audit.model import Aspect
from verify.audit.raw import CD_SECTOR_BYTES, VOLUME_DESCRIPTORS_LBA, RawMedium

_APPLICATION_USE = 883
_APPLICATION_USE_BYTES = 512
_VOLUME_SPACE_SIZE = 80
_READ_BYTES = 1 << 20
_FIELD = re.compile(rb"ISO MD5SUM = (?P<md5>[0-9a-f]{32});SKIPSECTORS = (?P<skip>\d{1,9});")


@dataclass(frozen=True)
class Checksums:
    """The implanted MD5 in hex, None where there is none; and the SHA-256 of all bytes, by which reports know it."""

    implanted: str | None
    sha256: str


@dataclass(frozen=True)
class _Implanted:
    md5: str
    covered: int


def audit_checksums(raw: RawMedium, ledger: Ledger) -> Checksums:
    """Reads the whole medium once. No implanted checksum is no finding."""
    implanted = _implanted(raw, ledger)
    covers = implanted is not None and 0 < implanted.covered <= raw.size
    md5, sha256 = _digests(raw, implanted.covered if implanted is not None and covers else 0)
    if implanted is None:
        return Checksums(None, sha256)
    if not covers:
        text = f"the medium's own checksum covers {implanted.covered} bytes, the medium has {raw.size}"
        ledger.found(Aspect.CHECKSUM, text)
        return Checksums(implanted.md5, sha256)
    if md5 != implanted.md5:
        ledger.found(Aspect.CHECKSUM, f"the medium is damaged: its MD5 is {md5}, it was made with {implanted.md5}")
    ledger.saw(Aspect.CHECKSUM, f"MD5 {implanted.md5} of {implanted.covered} bytes")
    return Checksums(implanted.md5, sha256)


def _implanted(raw: RawMedium, ledger: Ledger) -> _Implanted | None:
    descriptor = raw.cd_sectors(VOLUME_DESCRIPTORS_LBA)
    field = descriptor[_APPLICATION_USE : _APPLICATION_USE + _APPLICATION_USE_BYTES]
    if not field.startswith(b"ISO MD5SUM"):
        return None
    match = _FIELD.match(field)
    if match is None:
        ledger.found(Aspect.CHECKSUM, "the medium's own checksum is damaged")
        return None
    sectors = int.from_bytes(descriptor[_VOLUME_SPACE_SIZE : _VOLUME_SPACE_SIZE + 4], "little") - int(match["skip"])
    return _Implanted(match["md5"].decode(), sectors * CD_SECTOR_BYTES)


def _digests(raw: RawMedium, covered: int) -> tuple[str, str]:
    """The MD5 of the first `covered` bytes as isomd5sum computes it, and the SHA-256 of all."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for position in range(0, raw.size, _READ_BYTES):
        block = raw.read(position, _READ_BYTES)
        sha256.update(block)
        if position == 0:  # which holds the whole field
            begin = VOLUME_DESCRIPTORS_LBA * CD_SECTOR_BYTES + _APPLICATION_USE
            block = block[:begin] + b" " * _APPLICATION_USE_BYTES + block[begin + _APPLICATION_USE_BYTES :]
        md5.update(block[: max(0, covered - position)])
    return md5.hexdigest(), sha256.hexdigest()
