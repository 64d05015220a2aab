"""Every check of a medium that is not booted, made for one configuration; what fails, by its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mic.config import load_config
from tests.verify.small_medium import HASH, SmallMedium
from verify.audit import audit_medium
from verify.checks.catalogue import on_medium
from verify.checks.on_medium import Reader
from verify.expectations.derive import expectations_of
from verify.expectations.expectation import Place
from verify.machine.firmware import Firmware
from verify.masking import Mask
from verify.medium import open_medium
from verify.outcome import Notebook, NotReached
from verify.verdict import ProductFailure


@dataclass
class MediumChecks:
    """What was seen, and the reasons of what failed, each by the check's id."""

    seen: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def check_medium(medium: SmallMedium, config_file: Path, directory: Path) -> MediumChecks:
    """Writes `medium` below `directory` and makes every check on it."""
    iso = medium.write(directory)
    audit = audit_medium(iso)
    checks = MediumChecks()
    with open_medium(iso) as opened:
        for expectation in expectations_of(load_config(config_file), audit, tuple(Firmware)):
            if expectation.place is not Place.MEDIUM:
                continue
            notebook = Notebook(Mask())
            try:
                seen = on_medium.make(expectation.subject, Reader(opened, audit, notebook))
            except NotReached:
                continue
            except ProductFailure as failure:
                checks.failures[expectation.id] = str(failure)
            else:
                assert seen
                assert HASH not in seen + repr(notebook.observations)
                checks.seen[expectation.id] = seen
    return checks
