"""A machine-id in the image is seen before every machine booted from the medium has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mic.liveos.live_system import has_machine_id
from mic.tree import Tree


@pytest.mark.parametrize(
    ("content", "baked_in"),
    [(None, False), ("", False), ("\n", False), ("uninitialized\n", False), ("0123456789abcdef" * 2 + "\n", True)],
)
def test_machine_id_of_the_images_own_is_told_from_none(tmp_path: Path, content: str | None, baked_in: bool) -> None:
    (tmp_path / "etc").mkdir()
    if content is not None:
        (tmp_path / "etc/machine-id").write_text(content)
    assert has_machine_id(Tree(tmp_path)) is baked_in
