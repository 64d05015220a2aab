"""The medium's own checksum, as isomd5sum's implantisomd5 leaves it in the primary volume descriptor.

The application use field holds "ISO MD5SUM = <32 hex digits>;SKIPSECTORS = <n>;..." in ASCII. The MD5 covers the
volume from its first byte to its last but n sectors of 2048 bytes, with the application use field taken as blanks
(isomd5sum: libcheckisomd5.c, utilities.c). What lies behind the volume - an appended EFI partition, the GPT's
backup - it does not cover.
"""

from __future__ import annotations

import hashlib
import re

from verify.audit.ledger import Ledger
from verify.audit.model import Aspect
from verify.audit.raw import CD_SECTOR_BYTES, VOLUME_DESCRIPTORS_LBA, RawMedium

_APPLICATION_USE = 883
_APPLICATION_USE_BYTES = 512
_VOLUME_SPACE_SIZE = 80
_READ_BYTES = 1 << 20
_FIELD = re.compile(rb"ISO MD5SUM = (?P<md5>[0-9a-f]{32});SKIPSECTORS = (?P<skip>\d{1,9});")


def audit_checksum(raw: RawMedium, ledger: Ledger) -> str | None:
    """The implanted MD5 in hex, or None where there is none, which is no finding."""
    descriptor = raw.cd_sectors(VOLUME_DESCRIPTORS_LBA)
    field = descriptor[_APPLICATION_USE : _APPLICATION_USE + _APPLICATION_USE_BYTES]
    if not field.startswith(b"ISO MD5SUM"):
        return None
    match = _FIELD.match(field)
    if match is None:
        ledger.found(Aspect.CHECKSUM, "the medium's own checksum is damaged")
        return None
    sectors = int.from_bytes(descriptor[_VOLUME_SPACE_SIZE : _VOLUME_SPACE_SIZE + 4], "little") - int(match["skip"])
    covered = sectors * CD_SECTOR_BYTES
    implanted = match["md5"].decode()
    if not 0 < covered <= raw.size:
        ledger.found(Aspect.CHECKSUM, f"the medium's own checksum covers {covered} bytes, the medium has {raw.size}")
        return implanted
    computed = _md5(raw, covered)
    if computed != implanted:
        ledger.found(Aspect.CHECKSUM, f"the medium is damaged: its MD5 is {computed}, it was made with {implanted}")
    ledger.saw(Aspect.CHECKSUM, f"MD5 {implanted} of {covered} bytes")
    return implanted


def _md5(raw: RawMedium, covered: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    begin = VOLUME_DESCRIPTORS_LBA * CD_SECTOR_BYTES + _APPLICATION_USE
    digest.update(raw.read(0, begin))
    digest.update(b" " * _APPLICATION_USE_BYTES)
    position = begin + _APPLICATION_USE_BYTES
    while position < covered:
        block = raw.read(position, min(_READ_BYTES, covered - position))
        digest.update(block)
        position += len(block)
    return digest.hexdigest()
