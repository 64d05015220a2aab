"""Small media for audits, good ones and bad ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verify.small_medium import SmallMedium
from verify.audit import Aspect, Audit, audit_medium

Audited = Callable[[SmallMedium], Audit]
Damaged = Callable[[Callable[[bytearray], None]], Audit]


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    """Writes a medium and audits it."""
    return lambda medium: audit_medium(medium.write(tmp_path))


@pytest.fixture(scope="session")
def good_iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good small medium; read-only, shared."""
    return SmallMedium().write(tmp_path_factory.mktemp("good"))


@pytest.fixture
def damaged(good_iso: Path, tmp_path: Path) -> Damaged:
    """Changes the bytes of a good medium and audits what comes out."""

    def audit(change: Callable[[bytearray], None]) -> Audit:
        data = bytearray(good_iso.read_bytes())
        change(data)
        iso = tmp_path / "damaged.iso"
        iso.write_bytes(data)
        return audit_medium(iso)

    return audit


def texts_on(audit: Audit, aspect: Aspect) -> str:
    """What the audit found wrong with an aspect."""
    return "\n".join(finding.text for finding in audit.findings_on(aspect))


def aspects_found(audit: Audit) -> set[Aspect]:
    """The aspects with findings."""
    return {finding.aspect for finding in audit.findings}
