"""Which files of a customised tree go into the initrd, and which of them may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mic.errors import UserError
from mic.image.layout import open_image
from mic.liveos import live_system
from mic.liveos.early_boot import CarriedFiles, carried_files, kept_from_loading, snapshot
from mic.progress import Progress
from mic.rootfs.view import open_rootfs
from mic.tree import Tree
from tests.mic.customising import Isolated, Outcome, customised, write_config


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for path, text in {
        "etc/modprobe.d/hardened.conf": "install squashfs /bin/true\n",
        "etc/udev/rules.d/70-persistent-net.rules": 'NAME="lan0"\n',
        "usr/lib/udev/helper": "",
        "usr/bin/tool": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        os.utime(tmp_path / path, (1_700_000_000, 1_700_000_000))
    return Tree(tmp_path)


def test_what_the_image_brings_stays_out(tree: Tree) -> None:
    assert carried_files(tree, snapshot(tree)) == CarriedFiles()


def test_new_mode_alone_puts_nothing_in(tree: Tree) -> None:
    before = snapshot(tree)
    tree.change_mode("/etc/modprobe.d/hardened.conf", 0o600)
    assert carried_files(tree, before) == CarriedFiles()


def test_new_and_changed_files_go_in_and_so_does_one_that_is_written_once_more(tree: Tree) -> None:
    before = snapshot(tree)
    tree.write("/etc/modprobe.d/new.conf", b"options loop max_loop=1\n")
    tree.write("/etc/udev/rules.d/70-persistent-net.rules", b'NAME="lan0"\n')
    tree.write("/etc/udev/rules.d/README", b"not a rule\n")
    assert carried_files(tree, before).files == (
        "/etc/modprobe.d/new.conf",
        "/etc/udev/rules.d/70-persistent-net.rules",
    )


@pytest.mark.parametrize(
    ("rule", "programs"),
    [
        ('KERNEL=="sr0", RUN+="/usr/bin/tool --option $env{X}"', ("/usr/bin/tool",)),
        ('RUN{program}+="helper"', ("/usr/lib/udev/helper",)),
        ('PROGRAM=="helper %k", RESULT=="x"', ("/usr/lib/udev/helper",)),
        ('IMPORT{program}="/usr/bin/tool", RUN+="helper"', ("/usr/bin/tool", "/usr/lib/udev/helper")),
        ('IMPORT{builtin}="path_id", RUN{builtin}+="kmod load x"', ()),
        ('RUN+="/usr/bin/missing"', ()),
    ],
)
def test_programs_of_rules_go_in(tree: Tree, rule: str, programs: tuple[str, ...]) -> None:
    before = snapshot(tree)
    tree.write("/etc/udev/rules.d/own.rules", f"{rule}\n".encode())
    assert carried_files(tree, before).programs == programs


def test_drivers_that_a_carried_file_forbids_are_found(tree: Tree) -> None:
    before = snapshot(tree)
    tree.write("/etc/modprobe.d/own.conf", b"blacklist loop\nblacklist other\ninstall usb-storage /bin/false\n")
    carried = carried_files(tree, before)
    modules = frozenset({"loop", "squashfs", "usb_storage"})
    assert kept_from_loading(tree, carried, modules) == {
        "loop": "/etc/modprobe.d/own.conf",
        "usb_storage": "/etc/modprobe.d/own.conf",
    }


@pytest.mark.image
def test_file_that_keeps_the_medium_from_booting_is_told_before_anything_is_changed(
    bookworm: Path, tmp_path: Path, isolated: Isolated[Outcome]
) -> None:
    text = "SystemConfig: {Hostname: changed, AdditionalFiles: {own.conf: /etc/modprobe.d/own.conf}}"
    config = write_config(tmp_path, text, {"own.conf": "install squashfs /bin/true\nblacklist vfat\n"})
    outcome = isolated(lambda workspace: customised(bookworm, config, workspace, "cat /etc/hostname"))
    assert outcome.errors.endswith("the file keeps the module squashfs from loading, which a live boot needs")
    assert "changed" not in outcome.printed


@pytest.mark.image
def test_script_whose_file_keeps_the_medium_from_booting_is_found_out(
    bookworm: Path, tmp_path: Path, isolated: Isolated[str]
) -> None:
    def work(workspace: Path) -> str:
        with open_image(bookworm, workspace) as image, open_rootfs(image, workspace) as rootfs:
            before = snapshot(rootfs.tree)
            rootfs.sandbox.run("sh", "-c", "echo blacklist isofs > /etc/modprobe.d/script.conf")
            try:
                live_system.make_live_system(rootfs, before, workspace, Progress())
            except UserError as error:
                return str(error)
        return ""

    expected = "/etc/modprobe.d/script.conf keeps the module isofs from loading, which a live boot needs"
    assert isolated(work) == expected


@pytest.mark.image
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/run/x", "/run/x is hidden at boot, when /run is mounted"),
        ("/etc/fstab", "/etc/fstab is dropped from a live rootfs"),
    ],
)
def test_file_that_nobody_would_see_is_refused(
    bookworm: Path, tmp_path: Path, isolated: Isolated[Outcome], path: str, message: str
) -> None:
    config = write_config(tmp_path, f"SystemConfig: {{AdditionalFiles: {{x: {path}}}}}", {"x": ""})
    outcome = isolated(lambda workspace: customised(bookworm, config, workspace))
    assert outcome.errors.endswith(message)
