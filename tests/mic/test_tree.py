"""No path of a tree leads out of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mic.tree import Tree


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_text("the host's")
    return directory


@pytest.fixture
def tree(tmp_path: Path, outside: Path) -> Tree:
    top = tmp_path / "top"
    (top / "etc").mkdir(parents=True)
    (top / "etc" / "name").write_text("the image's")
    (top / "absolute").symlink_to(outside)
    (top / "relative").symlink_to("../outside")
    (top / "far").symlink_to("../../../../../../../../../../etc")
    (top / "to-etc").symlink_to("/etc")
    (top / "loop").symlink_to("loop")
    os.mkfifo(top / "pipe")
    return Tree(top)


@pytest.mark.parametrize("link", ["absolute", "relative"])
def test_write_through_a_link_to_the_host_stays_inside(tree: Tree, outside: Path, link: str) -> None:
    with pytest.raises(FileExistsError):
        tree.write(f"/{link}/secret", b"changed")
    assert (outside / "secret").read_text() == "the host's"
    assert not tree.exists(f"/{link}/secret")


def test_dotdot_ends_at_the_top(tree: Tree) -> None:
    assert tree.read_text("/far/name") == "the image's"
    assert tree.read_text("/../../etc/name") == "the image's"


def test_mounts_elsewhere_do_not_disturb(tree: Tree, tmp_path: Path) -> None:
    """The kernel gives up on a ".." while anything is mounted anywhere, and has to be asked again."""
    (tmp_path / "point").mkdir()
    script = 'while :; do mount -t tmpfs none "$1" && umount "$1"; done'
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script, "sh", tmp_path / "point"]) as mounting:
        try:
            for _ in range(20_000):
                assert tree.exists("/far/name")
        finally:
            mounting.kill()


def test_links_are_followed_inside(tree: Tree) -> None:
    tree.write("/to-etc/new/file", b"content", mode=0o640)
    assert (tree.top / "etc" / "new" / "file").read_bytes() == b"content"
    assert tree.stat("/etc/new/file").st_mode & 0o7777 == 0o640
    assert tree.stat("/etc/new").st_mode & 0o7777 == 0o755


def test_existing_file_keeps_its_mode_unless_one_is_asked_for(tree: Tree) -> None:
    tree.write("/etc/file", b"1", mode=0o600)
    tree.write("/etc/file", b"2")
    assert tree.stat("/etc/file").st_mode & 0o7777 == 0o600
    assert tree.read_bytes("/etc/file") == b"2"


def test_new_files_do_not_depend_on_the_umask(tree: Tree) -> None:
    previous = os.umask(0o077)
    try:
        tree.write("/etc/deep/file", b"1")
    finally:
        os.umask(previous)
    assert tree.stat("/etc/deep/file").st_mode & 0o7777 == 0o644
    assert tree.stat("/etc/deep").st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("path", ["/pipe", "/etc", "/loop"])
def test_what_is_no_file_is_not_read(tree: Tree, path: str) -> None:
    with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
        tree.read_bytes(path)


def test_missing_file_reads_as_empty_and_missing_directory_lists_nothing(tree: Tree) -> None:
    assert tree.read_text("/etc/missing") == ""
    assert tree.list("/missing") == ()
    assert tree.list("/etc/name") == ()
    assert tree.list("/etc") == ("name",)
    assert not tree.exists("/loop")


def test_dangling_links_are_known(tree: Tree) -> None:
    assert tree.is_dangling("/absolute")
    assert not tree.is_dangling("/to-etc")
    assert not tree.is_dangling("/missing")
