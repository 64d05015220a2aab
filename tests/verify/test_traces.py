"""What the tool leaves and must not leave in a rootfs, and SELinux in the running kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mic.config import SELinuxMode
from tests.verify.conftest import WriteConfig
from tests.verify.local_machine import LocalMachine
from tests.verify.medium_checks import MediumChecks, check_medium
from tests.verify.small_medium import RELEASE, SmallMedium
from verify.checks.catalogue import in_machine
from verify.checks.selinux import judge_selinux
from verify.checks.traces import judge_release
from verify.expectations.selinux import SELinuxIs
from verify.expectations.traces import ReleaseFileTells, ScriptsDirectoryGone
from verify.verdict import HarnessFault, ProductFailure

CONFIG = "SystemConfig: {PostInstallScripts: [{Path: script.sh}]}\n"
Checked = Callable[[SmallMedium], MediumChecks]


@pytest.mark.parametrize(
    "text",
    [
        RELEASE,
        "BUILD_DATE=2026-11-25T03:00:00+00:00\n# x\nTOOL_VERSION='0.4.0rc1+dev'\nMORE=1\n",
    ],
)
def test_release_file_with_version_and_date_passes(text: str) -> None:
    assert "built 2026-11-25T03:00:00" in judge_release(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no TOOL_VERSION"),
        ('TOOL_VERSION="1.0"\n', "has no BUILD_DATE"),
        (RELEASE.replace("1.0", ""), "has no TOOL_VERSION"),
        (RELEASE.replace("1.0", "one two"), "'one two', which is no version"),
        (RELEASE.replace("Z", ""), "no date and time of ISO 8601 in UTC"),
        (RELEASE.replace("Z", "+01:00"), "no date and time of ISO 8601 in UTC"),
        (RELEASE.replace("2026-11-25T03:00:00Z", "Wed Nov 25 03:00"), "no date and time"),
        (RELEASE + RELEASE, "has TOOL_VERSION twice"),
    ],
)
def test_release_file_that_lacks_something_is_named(text: str, reason: str) -> None:
    with pytest.raises(ProductFailure, match=reason):
        judge_release(text)


@pytest.fixture
def checked(tmp_path: Path, write_config: WriteConfig) -> Checked:
    (tmp_path / "script.sh").write_text("#!/bin/sh\n")
    (tmp_path / "script.sh").chmod(0o755)
    return lambda medium: check_medium(medium, write_config(CONFIG), tmp_path)


def test_traces_are_seen_on_the_medium(checked: Checked) -> None:
    checks = checked(SmallMedium())
    assert not checks.failures
    assert checks.seen["release-file"] == "version 1.0, built 2026-11-25T03:00:00Z"
    assert checks.seen["scripts.directory-gone"] == "absent"


def test_traces_that_are_wrong_on_the_medium_are_named(checked: Checked) -> None:
    medium = SmallMedium()
    del medium.rootfs["etc/mariner-customizer-release"]
    medium.links["_imageconfigs"] = "nowhere"
    assert checked(medium).failures == {
        "release-file": "the rootfs has no file /etc/mariner-customizer-release",
        "scripts.directory-gone": "the rootfs has /_imageconfigs",
    }


def test_traces_are_looked_for_in_the_machine(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path)
    machine.write("/etc/mariner-customizer-release", RELEASE)
    assert in_machine.make(ReleaseFileTells(), machine.guest) == "version 1.0, built 2026-11-25T03:00:00Z"
    assert in_machine.make(ScriptsDirectoryGone(), machine.guest) == "absent"
    (machine.over["/etc"] / "mariner-customizer-release").unlink()
    with pytest.raises(ProductFailure, match="cannot be read"):
        in_machine.make(ReleaseFileTells(), machine.guest)


@pytest.mark.parametrize(
    ("enforce", "mode"),
    [("absent", SELinuxMode.DISABLED), ("0", SELinuxMode.PERMISSIVE), ("1", SELinuxMode.ENFORCING)],
)
def test_mode_of_selinux_is_the_kernels(enforce: str, mode: SELinuxMode) -> None:
    assert mode.value in judge_selinux(enforce, mode)
    for other in set(SELinuxMode) - {mode}:
        with pytest.raises(ProductFailure, match=f"SELinux is {mode.value}, not {other.value}"):
            judge_selinux(enforce, other)


def test_kernel_that_says_something_else_of_selinux_proves_nothing() -> None:
    with pytest.raises(HarnessFault, match="says ''"):
        judge_selinux("", SELinuxMode.DISABLED)


def test_selinux_is_looked_for_in_the_machine(tmp_path: Path) -> None:
    modes = [SELinuxMode.DISABLED, SELinuxMode.ENFORCING]
    if Path("/sys/fs/selinux/enforce").exists():
        modes.reverse()
    assert in_machine.make(SELinuxIs(modes[0]), LocalMachine(tmp_path).guest)
    with pytest.raises(ProductFailure):
        in_machine.make(SELinuxIs(modes[1]), LocalMachine(tmp_path).guest)
