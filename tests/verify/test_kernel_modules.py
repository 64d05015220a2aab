"""Kernel modules: what the medium names, has and blocks, and what a running kernel shows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mic.config import Config
from tests.verify.conftest import WriteConfig
from tests.verify.medium_checks import MediumChecks, check_medium
from tests.verify.small_medium import VERSION, SmallMedium
from verify.checks.kernel_modules import PresentModules, judge_kept_out, judge_loaded
from verify.checks.modprobe_files import KernelModules, ModprobeRules, names_to_load
from verify.expectations.kernel_modules import ModuleKeptOut, ModuleLoaded, expected_modules
from verify.verdict import ProductFailure

DIRECTORY = f"lib/modules/{VERSION}"
LISTS = {
    f"{DIRECTORY}/modules.dep": "kernel/drivers/net/dummy.ko.xz:\nkernel/fs/nls/nls-utf8.ko:\n"
    "kernel/drivers/sr_mod.ko: kernel/drivers/cdrom/cdrom.ko\n",
    f"{DIRECTORY}/modules.builtin": "kernel/drivers/block/loop.ko\nkernel/drivers/cdrom/cdrom.ko\n",
    f"{DIRECTORY}/modules.alias": "# Aliases\nalias rtnl-link-dummy dummy\nalias fs-x* nls_utf8\n",
    f"{DIRECTORY}/modules.builtin.modinfo": "loop.license=GPL\0loop.alias=devname:loop-control\0",
}
CONFIG = "SystemConfig:\n  Modules:\n    Load: [nls-utf8]\n    Disable: [dummy]\n"
Checked = Callable[..., MediumChecks]


def test_names_are_read_as_systemd_reads_them() -> None:
    assert names_to_load("# one\n; two\n\n nls-utf8 \ndummy numdummies=2\n") == ("nls_utf8", "dummy")


def test_blacklist_is_read_as_modprobe_reads_it() -> None:
    text = "# blacklist no\nblacklist nls-utf8 # x\n  blacklist \\\n  dummy\noptions loop x=1\ninstall lp /bin/false\n"
    assert ModprobeRules.parse([text]).blacklisted == {"nls_utf8", "dummy"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dummy", {"dummy"}),
        ("nls_utf8", {"nls_utf8"}),
        ("loop", {"loop"}),
        ("rtnl_link_dummy", {"dummy"}),
        ("fs_xyz", {"nls_utf8"}),
        ("devname:loop_control", {"loop"}),
        ("mine", {"dummy"}),
        ("gone", set()),
        ("no_such_module", set()),
    ],
)
def test_a_name_stands_for_modules_that_the_kernel_has(name: str, meant: set[str]) -> None:
    kernel = KernelModules.parse({Path(path).name: text for path, text in LISTS.items()})
    rules = ModprobeRules.parse(["alias mine dummy\nalias gone no-such-module\n"])
    assert kernel.meant_by(name, rules) == meant


def test_each_module_is_looked_for_in_both_places(configured: Callable[..., Config]) -> None:
    expected = [(e.id, e.subject) for e in expected_modules(configured(CONFIG))]
    loaded, kept_out = ModuleLoaded("nls_utf8"), ModuleKeptOut("dummy")
    assert expected == [("module.nls_utf8.loaded", loaded)] * 2 + [("module.dummy.kept-out", kept_out)] * 2


@pytest.fixture
def checked(tmp_path: Path, write_config: WriteConfig) -> Checked:
    def check(**files: str) -> MediumChecks:
        medium = SmallMedium()
        medium.rootfs |= LISTS | {
            "etc/modules-load.d/mic.conf": "nls-utf8\n",
            "etc/modprobe.d/mic.conf": "blacklist dummy\n",
        }
        medium.rootfs |= {path: text for path, text in files.items()}
        return check_medium(medium, write_config(CONFIG), tmp_path)

    return check


def test_modules_are_seen_on_the_medium(checked: Checked) -> None:
    checks = checked()
    assert not checks.failures
    assert checks.seen["module.nls_utf8.loaded"] == "/etc/modules-load.d/mic.conf names it; the kernel has nls_utf8"
    assert checks.seen["module.dummy.kept-out"] == "in the blacklist"
    assert checks.seen["live.modules-to-load"] == "it has nls_utf8"


@pytest.mark.parametrize(
    ("path", "text", "failures"),
    [
        (
            "etc/modules-load.d/mic.conf",
            "# nls_utf8\n",
            {"module.nls_utf8.loaded": "no file of modules-load.d names nls_utf8"},
        ),
        (
            f"{DIRECTORY}/modules.dep",
            "kernel/drivers/sr_mod.ko:\n",
            {
                "module.nls_utf8.loaded": "/etc/modules-load.d/mic.conf names nls_utf8, which the kernel does not have",
                "live.modules-to-load": "the kernel does not have nls_utf8 (/etc/modules-load.d/mic.conf)",
            },
        ),
        (
            "usr/lib/modprobe.d/other.conf",
            "blacklist nls_utf8\n",
            {"module.nls_utf8.loaded": "nls_utf8 is in the blacklist: it is not loaded at boot"},
        ),
        (
            "etc/modprobe.d/mic.conf",
            "options dummy numdummies=1\n",
            {"module.dummy.kept-out": "no file of modprobe.d has dummy in the blacklist"},
        ),
        (
            f"{DIRECTORY}/modules.builtin",
            "kernel/drivers/net/dummy.ko\nkernel/drivers/cdrom/cdrom.ko\n",
            {"module.dummy.kept-out": "dummy is built into the kernel: nothing keeps it out"},
        ),
        (
            "etc/modules-load.d/more.conf",
            "mic_no_such_module\n",
            {"live.modules-to-load": "the kernel does not have mic_no_such_module (/etc/modules-load.d/more.conf)"},
        ),
    ],
)
def test_module_that_is_wrong_on_the_medium_is_named(
    checked: Checked, path: str, text: str, failures: dict[str, str]
) -> None:
    assert checked(**{path: text}).failures == failures


def test_file_that_another_hides_does_not_count(checked: Checked) -> None:
    # The file of the same name in /etc is the one that modprobe and systemd read.
    files = {"usr/lib/modprobe.d/mic.conf": "blacklist nls_utf8\n", "usr/lib/modules-load.d/mic.conf": "gone\n"}
    assert not checked(**files).failures


def test_modules_that_packages_ask_for_need_not_exist(checked: Checked) -> None:
    text = "# Parallel printer driver modules\nlp\nppdev\nparport_pc\n"
    md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    status = f"Package: cups-filters\nStatus: install ok installed\nConffiles:\n /etc/modules-load.d/cups.conf {md5}\n"
    files = {
        "etc/modules-load.d/cups.conf": text,
        "var/lib/dpkg/status": status,
        "usr/lib/modules-load.d/a.conf": "b\n",
    }
    assert not checked(**files).failures


def test_packages_file_that_somebody_has_changed_is_no_packages_any_more(checked: Checked) -> None:
    status = f"Package: x\nStatus: install ok installed\nConffiles:\n /etc/modules-load.d/x.conf {'0' * 32}\n"
    files = {"etc/modules-load.d/x.conf": "gone\n", "var/lib/dpkg/status": status}
    assert checked(**files).failures == {
        "live.modules-to-load": "the kernel does not have gone (/etc/modules-load.d/x.conf)"
    }


PRESENT = PresentModules(frozenset({"nls_utf8"}), frozenset({"loop"}))


@pytest.mark.parametrize(
    ("name", "aliased", "seen"),
    [
        ("nls_utf8", frozenset(), "loaded"),
        ("loop", frozenset(), "built in"),
        ("mine", frozenset({"nls_utf8", "loop"}), "an alias of loop, nls_utf8"),
    ],
)
def test_module_that_is_loaded_or_built_in_passes(name: str, aliased: frozenset[str], seen: str) -> None:
    assert seen in judge_loaded(ModuleLoaded(name), PRESENT, aliased)


@pytest.mark.parametrize(
    ("name", "aliased", "reason"),
    [
        ("dummy", frozenset(), "dummy is not loaded"),
        ("mine", frozenset({"nls_utf8", "dummy"}), "dummy is not loaded"),
        ("nls", frozenset(), "nls is not loaded"),
    ],
)
def test_module_that_is_not_loaded_is_named(name: str, aliased: frozenset[str], reason: str) -> None:
    with pytest.raises(ProductFailure, match=f"^{reason}$"):
        judge_loaded(ModuleLoaded(name), PRESENT, aliased)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pcspkr", "does not have pcspkr in its blacklist"),
        ("nls_utf8", "nls_utf8 is in the blacklist and loaded all the same"),
        ("loop", "loop is built into the kernel"),
    ],
)
def test_module_that_is_not_kept_out_is_named(name: str, reason: str) -> None:
    rules = ModprobeRules.parse(["blacklist nls-utf8\nblacklist loop\nblacklist dummy\n"])
    assert judge_kept_out(ModuleKeptOut("dummy"), rules, PRESENT) == "in the blacklist, not loaded"
    with pytest.raises(ProductFailure, match=reason):
        judge_kept_out(ModuleKeptOut(name), rules, PRESENT)
