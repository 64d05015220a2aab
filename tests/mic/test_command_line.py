"""The kernel command line as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mic.config import load_config
from mic.liveos.dracut import Dracut
from mic.liveos.live_system import LiveSystem, Survey
from mic.medium.master import kernel_arguments
from mic.rootfs.kernel import Kernel


def live_system(*, has_selinux: bool) -> LiveSystem:
    kernel = Kernel("6.1", "/boot/vmlinuz-6.1", frozenset(), frozenset(), frozenset(), "/usr/lib/modules/6.1")
    survey = Survey(kernel, Dracut("/usr/bin/dracut", "/usr/lib/dracut/x", None), "Linux", has_selinux=has_selinux)
    return LiveSystem(survey, Path(), Path(), Path())


@pytest.mark.parametrize(
    ("mode", "has_selinux", "is_off"),
    [(None, False, False), (None, True, True), ("disabled", False, True), ("disabled", True, True)],
)
def test_selinux_is_off_where_the_image_has_it_or_the_configuration_says_so(
    tmp_path: Path, mode: str | None, *, has_selinux: bool, is_off: bool
) -> None:
    selinux = "" if mode is None else f", SELinux: {mode}"
    config = tmp_path / "config.yaml"
    config.write_text(f"SystemConfig: {{KernelCommandLine: {{ExtraCommandLine: mine=1{selinux}}}}}")
    words = kernel_arguments(live_system(has_selinux=has_selinux), "MIC_0", load_config(config)).words
    assert words.count("selinux=0") == (1 if is_off else 0)
    assert words[-1] == "mine=1"
