"""What the audit could not look at never passes, and the booted machine is held against what it read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from verify.audit import Aspect, Audit, Finding, Unjudged
from verify.audit.facts import BootFacts, LiveSystemFacts
from verify.audit.model import Seen
from verify.checks.audit_in_machine import judge_agreement
from verify.checks.on_medium import judge_aspect
from verify.expectations.audited import AuditAgrees
from verify.outcome import NotReached
from verify.verdict import HarnessFault, ProductFailure

EMPTY = Audit(Path("x.iso"), 0, "", "L", BootFacts(), LiveSystemFacts(), (), (), (), 0.0)
SEEN = replace(EMPTY, seen=(Seen(Aspect.SQUASHFS, "whole"),))
FOUND = Finding(Aspect.SQUASHFS, "cut short")


def test_what_was_seen_and_is_not_wrong_passes() -> None:
    assert judge_aspect(SEEN, Aspect.SQUASHFS) == "whole"


def test_what_was_found_fails_whatever_else_was_seen() -> None:
    with pytest.raises(ProductFailure, match="cut short"):
        judge_aspect(replace(SEEN, findings=(FOUND,)), Aspect.SQUASHFS)


def test_aspect_of_which_nothing_is_known_is_a_harness_fault() -> None:
    with pytest.raises(HarnessFault, match="says nothing"):
        judge_aspect(EMPTY, Aspect.SQUASHFS)


def test_aspect_that_could_not_be_read_is_a_harness_fault_even_if_a_part_was_seen() -> None:
    with pytest.raises(HarnessFault, match="no zstd here"):
        judge_aspect(replace(SEEN, unjudged=(Unjudged(Aspect.SQUASHFS, "no zstd here"),)), Aspect.SQUASHFS)


def test_aspect_behind_another_finding_is_not_reached() -> None:
    behind = Unjudged(Aspect.NO_FSTAB, "no squashfs", Aspect.SQUASHFS)
    with pytest.raises(NotReached, match=r"live\.squashfs"):
        judge_aspect(replace(EMPTY, findings=(FOUND,), unjudged=(behind,)), Aspect.NO_FSTAB)
    with pytest.raises(HarnessFault):
        judge_aspect(replace(EMPTY, unjudged=(behind,)), Aspect.NO_FSTAB)


def test_cloud_init_data_that_no_argument_leads_to_is_the_mediums_fault() -> None:
    with pytest.raises(ProductFailure, match="lead to no such file"):
        judge_aspect(EMPTY, Aspect.CLOUD_USER_DATA)


AGREES = AuditAgrees("6.1", ("root=live:LABEL=L", "a b"), 4096)
CMDLINE = 'BOOT_IMAGE=/boot/vmlinuz root=live:LABEL=L "a b"'


def test_machine_that_shows_what_was_read_agrees() -> None:
    assert judge_agreement(AGREES, "6.1", CMDLINE, (4096,))
    assert judge_agreement(AGREES, "6.1", f"{CMDLINE} added.by.hand", (4096,))
    assert judge_agreement(AGREES, "6.1", CMDLINE, (512, 4096)), "snaps are squashfses too"


@pytest.mark.parametrize(
    ("release", "command_line", "size", "reason"),
    [
        ("6.2", CMDLINE, (4096,), "the kernel is 6.2, on the medium is 6.1"),
        ("6.1", CMDLINE[:-3], (4096,), "the command line is"),
        ("6.1", CMDLINE, (8192,), "the squashfs has 8192 bytes, on the medium 4096"),
        ("6.1", CMDLINE, (), "the squashfs has no bytes"),
    ],
)
def test_machine_that_shows_something_else_fails(
    release: str, command_line: str, size: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ProductFailure, match=reason):
        judge_agreement(AGREES, release, command_line, size)


def test_machine_cannot_agree_with_an_audit_that_read_nothing() -> None:
    with pytest.raises(HarnessFault):
        judge_agreement(replace(AGREES, kernel_version=None), "6.1", CMDLINE, (4096,))
