"""Kernel modules to load and to disable, on the kernels of real images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from mic.customize.modprobe_config import ConfigFile, Wanted
from tests.mic.customising import Isolated, Outcome, customised, write_config

Customise = Callable[..., Outcome]


@pytest.fixture(params=["bookworm", "trixie"])
def customise(request: pytest.FixtureRequest, tmp_path: Path, isolated: Isolated[Outcome]) -> Customise:
    image: Path = request.getfixturevalue(request.param)

    def run(text: str, afterwards: str = "true", before: str = "true", **files: str) -> Outcome:
        config = write_config(tmp_path, text, {name.replace("_", "."): content for name, content in files.items()})
        return isolated(lambda workspace: customised(image, config, workspace, afterwards, before))

    return run


@pytest.mark.image
def test_names_arrive_where_systemd_and_modprobe_read_them(customise: Customise) -> None:
    outcome = customise(
        "SystemConfig: {Modules: {Load: [dummy, {Name: br_netfilter}], Disable: [pcspkr, usb-storage]}}",
        "cat /etc/modules-load.d/mic.conf; modprobe --showconfig | grep -E '^blacklist (pcspkr|usb.storage)'",
    )
    assert outcome.errors == ""
    assert outcome.printed.splitlines() == ["dummy", "br_netfilter", "blacklist pcspkr", "blacklist usb_storage"]


@pytest.mark.image
def test_lines_of_the_file_that_is_there_stay(customise: Customise) -> None:
    outcome = customise(
        "SystemConfig: {Modules: {Disable: [pcspkr]}}",
        "cat /etc/modprobe.d/mic.conf",
        before="printf 'options loop max_loop=3' > /etc/modprobe.d/mic.conf",
    )
    assert outcome.printed == "options loop max_loop=3\nblacklist pcspkr\n"


@pytest.mark.image
def test_module_to_load_that_the_image_blacklists_may_load_again(customise: Customise) -> None:
    """systemd-modules-load heeds blacklists: without this the module would silently not be there."""
    outcome = customise(
        "SystemConfig: {Modules: {Load: [dummy, cirrusfb, br-netfilter]}}",
        "modprobe --showconfig | grep -E '^(blacklist|install) (dummy|cirrusfb|arkfb|bridge|br_netfilter|llc) ?'",
        before="""
printf 'blacklist dummy\\ninstall dummy /bin/false\\nblacklist llc\\n' > /etc/modprobe.d/hardened.conf
printf 'blacklist cirrusfb\\nblacklist arkfb\\n' > /usr/lib/modprobe.d/fbdev-blacklist.conf
printf 'install bridge /bin/true\\n' > /usr/lib/modprobe.d/package.conf
""",
    )
    assert outcome.errors == ""
    assert sorted(outcome.printed.splitlines()) == ["blacklist arkfb", "blacklist llc"]
    assert "dummy may load again: in /etc/modprobe.d/hardened.conf the lines against it are comments" in outcome.said
    assert "in /etc/modprobe.d/package.conf, which now hides /usr/lib/modprobe.d/package.conf" in outcome.said


@pytest.mark.image
def test_what_cannot_be_loaded_or_disabled_is_told_before_anything_is_changed(
    customise: Customise, tmp_path: Path
) -> None:
    outcome = customise(
        """
SystemConfig:
  AdditionalFiles: {own.conf: /etc/modprobe.d/own.conf}
  Modules:
    Load: [dumy, veth, br_netfilter]
    Disable: [squashfs, bridge, rtc_cmos]
""",
        "ls /etc/modules-load.d /etc/modprobe.d | grep mic.conf",
        own_conf="blacklist veth\n",
    )
    path = f"{tmp_path}/config.yaml"
    assert outcome.printed == ""
    lines = [line.removeprefix(path) for line in outcome.errors.splitlines()]
    kernel = lines[0].partition("kernel ")[2].partition(" ")[0]
    expected = [
        f":5:12: SystemConfig.Modules.Load[0]: the kernel {kernel} has no module dumy (did you mean dummy?)",
        ":5:18: SystemConfig.Modules.Load[1]: /etc/modprobe.d/own.conf, which AdditionalFiles brings, keeps veth from"
        " loading",
        ":6:25: SystemConfig.Modules.Disable[1]: br_netfilter, which is in Load, needs bridge",
        f":6:33: SystemConfig.Modules.Disable[2]: rtc_cmos is built into the kernel {kernel} and cannot be disabled",
        ":6:15: SystemConfig.Modules.Disable[0]: a live boot needs the module squashfs",
    ]
    assert lines == expected


@pytest.mark.image
def test_alias_is_loaded_too(customise: Customise) -> None:
    outcome = customise("SystemConfig: {Modules: {Load: [fs-ext4]}}", "cat /etc/modules-load.d/mic.conf")
    assert (outcome.errors, outcome.printed) == ("", "fs-ext4\n")


@pytest.mark.image
def test_disabling_what_the_kernel_lacks_is_told(customise: Customise) -> None:
    outcome = customise("SystemConfig: {Modules: {Disable: [pcspkrr]}}", "cat /etc/modprobe.d/mic.conf")
    assert (outcome.errors, outcome.printed) == ("", "blacklist pcspkrr\n")
    assert "has no module pcspkrr (did you mean pcspkr?)" in outcome.said


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("blacklist a", True),
        ("  blacklist\ta-b ", True),
        ("install a /bin/false", True),
        ("install a /usr/bin/true", True),
        ("install needed /bin/false", True),
        ("blacklist needed", False),
        ("blacklist other", False),
        ("install a /sbin/modprobe --ignore-install a", False),
        ("#blacklist a", False),
        ("options a b=1", False),
    ],
)
def test_only_lines_that_keep_the_module_away_become_comments(line: str, *, allowed: bool) -> None:
    wanted = Wanted(frozenset({"a", "a_b"}), frozenset({"a", "a_b", "needed"}))
    file = ConfigFile(PurePosixPath("/etc/modprobe.d/x.conf"), f"first\n{line}\nlast")
    assert (f"\n{line}\n" not in file.allowing(wanted)) == allowed
    assert file.allowing(wanted).splitlines()[1].endswith(line)
