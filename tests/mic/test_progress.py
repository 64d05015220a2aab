"""Promises about what a long run says."""

from __future__ import annotations

import io
import logging

import pytest

from mic.progress import Progress


@pytest.mark.parametrize(
    ("least", "said"),
    [
        (logging.INFO, ["found", "warning: beware", "pack: done in 0.0 s"]),
        (logging.WARNING, ["warning: beware"]),
        (logging.ERROR, []),
    ],
)
def test_stages_and_notes_are_said_where_information_is_wanted(least: int, said: list[str]) -> None:
    stream = io.StringIO()
    progress = Progress(stream, least)
    with progress.stage("pack"):
        progress.note("found")
        progress.warn("beware")
    assert stream.getvalue().splitlines() == said
    assert [name for name, _ in progress.timings] == ["pack"]
