"""One verdict from many: a wrong medium is never excused, and not knowing is never a pass."""

from __future__ import annotations

import pytest

from verify.judgement import worst
from verify.verdict import HarnessFault, HostFault, ProductFailure, Verdict

PASS, WRONG = Verdict.PASS, Verdict.PRODUCT_FAILURE
HARNESS, HOST = Verdict.HARNESS_FAULT, Verdict.HOST_FAULT


@pytest.mark.parametrize(
    ("verdicts", "expected", "exit_code"),
    [
        ([PASS, PASS], PASS, 0),
        ([PASS, WRONG], WRONG, 1),
        ([HARNESS, WRONG, HOST, None], WRONG, 1),
        ([PASS, HARNESS], HARNESS, 75),
        ([PASS, HOST], HOST, 75),
        ([HOST, HARNESS], HARNESS, 75),
        ([], HARNESS, 75),
        ([None, None], HARNESS, 75),
        ([PASS, None], HARNESS, 75),
        ([PASS, None, WRONG], WRONG, 1),
        ([PASS, None, HOST], HOST, 75),
    ],
)
def test_the_worst_news_wins(verdicts: list[Verdict | None], expected: Verdict, exit_code: int) -> None:
    assert worst(verdicts) is expected
    assert expected.exit_code == exit_code


def test_every_error_knows_whose_fault_it_is() -> None:
    assert [error.verdict for error in (ProductFailure, HarnessFault, HostFault)] == [WRONG, HARNESS, HOST]
