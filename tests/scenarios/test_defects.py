"""`mic verify` can fail: defects are caught, each for its own reason, and nothing else turns red.

By the seed in MIC_SELFTEST_SEED (0 if not given) a sample is made and judged here; `python -m verify.selftest --all`
does the whole corpus.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixtures.defects import CORPUS
from verify.selftest.__main__ import DEFAULT_CORPUS, chosen_media, run, sampled
from verify.selftest.defect import BadMedium

pytestmark = pytest.mark.image

SEED = int(os.environ.get("MIC_SELFTEST_SEED", "0"))
MEDIA = chosen_media(CORPUS, None, alone=False)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("defects")


def test_good_media_pass_when_everything_on_them_is_packed_again(directory: Path) -> None:
    controls = [BadMedium(base, ()) for base in CORPUS.good_media]
    assert run(DEFAULT_CORPUS, controls, directory, audit_only=True, keep=False) == 0


def test_the_audit_names_a_sample_of_defects(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    media = sampled([medium for medium in MEDIA if medium.seen_without_booting], 10, SEED)
    assert run(DEFAULT_CORPUS, media, directory, audit_only=True, keep=False) == 0, capfd.readouterr().out


@pytest.mark.boot
def test_a_boot_names_a_sample_of_defects(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    media = sampled([medium for medium in MEDIA if medium.boot is not None], 2, SEED)
    assert run(DEFAULT_CORPUS, media, directory, audit_only=False, keep=False) == 0, capfd.readouterr().out
