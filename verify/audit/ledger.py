"""Where the parts of an audit write down what they see, what is wrong and what they could not judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mic.errors import UserError
from mic.programs import ProgramFailed, ProgramTimedOut
from verify.audit.model import Aspect, Finding, Seen, Unjudged
from verify.machine.firmware import Firmware
from verify.verdict import ProductFailure, VerifyError

EVERY_FIRMWARE = frozenset(Firmware)


@dataclass
class Ledger:
    """Grows while the audit runs."""

    seen: list[Seen] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unjudged: list[Unjudged] = field(default_factory=list)

    def saw(self, aspect: Aspect, text: str) -> None:
        """The aspect was looked at in whole; it is good unless something is found as well."""
        self.seen.append(Seen(aspect, text))

    def found(self, aspect: Aspect, text: str, fatal_for: frozenset[Firmware] = frozenset()) -> None:
        """Something is wrong."""
        self.findings.append(Finding(aspect, text, fatal_for))

    def cannot_judge(self, aspect: Aspect, reason: str, because: Aspect | None = None) -> None:
        """The aspect could not be looked at."""
        self.unjudged.append(Unjudged(aspect, reason, because))

    def has_findings(self, aspect: Aspect) -> bool:
        return any(finding.aspect is aspect for finding in self.findings)

    @contextmanager
    def judging(self, *aspects: Aspect, fatal_for: frozenset[Firmware] = frozenset()) -> Iterator[None]:
        """What ends the block early is a finding on the first aspect if the medium is at fault, else unjudged.

        The other aspects then cannot be judged because of the first.
        """
        first, *others = aspects
        try:
            yield
        except ProductFailure as failure:
            self.found(first, str(failure), fatal_for)
            for aspect in others:
                self.cannot_judge(aspect, str(failure), first)
        except (VerifyError, UserError, ProgramFailed, ProgramTimedOut) as error:
            for aspect in aspects:
                self.cannot_judge(aspect, str(error))
