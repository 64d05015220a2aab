"""Customisations as far as they are texts; what they do in a booted machine is proven by the scenarios."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from mic.customize import cloud_init, hostname
from mic.customize.users import hash_password
from mic.kernel_arguments import KernelArguments
from mic.tree import Tree


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("127.0.1.1\told.example.org\told\n", "127.0.1.1\tnew.example.org\tnew\n"),
        ("127.0.0.1 localhost\n", "127.0.0.1 localhost\n"),
        ("127.0.1.1 older old-er old\n", "127.0.1.1 older old-er new\n"),
        ("10.0.0.1 x # the old one\n", "10.0.0.1 x # the old one\n"),
        ("127.0.1.1 old", "127.0.1.1 new"),
    ],
)
def test_old_host_name_is_replaced_as_a_whole_name(hosts: str, expected: str) -> None:
    assert hostname.renamed_hosts(hosts, "old", "new") == expected


def test_localhost_stays_whatever_the_machine_was_called() -> None:
    assert hostname.renamed_hosts("127.0.0.1 localhost\n", "localhost", "new") == "127.0.0.1 localhost\n"


def test_hash_is_what_openssl_computes() -> None:
    hashed = hash_password("pässword with spaces")
    salt = hashed.split("$")[2]
    expected = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
        input="pässword with spaces\n".encode(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert hashed == expected.strip()
    assert hash_password("pässword with spaces") != hashed, "a fresh salt every time"


@pytest.mark.parametrize(
    ("text", "directory"),
    [
        ("ds=nocloud;s=file://run/initramfs/live/cloud-init-data", "/run/initramfs/live/cloud-init-data"),
        ("'ds=nocloud;s=file://cloud-init-data'", "/cloud-init-data"),
        ("quiet ds=nocloud;s=file:///seed/", "/seed"),
        ("ds=nocloud;h=name;seedfrom=file:///seed;i=1", "/seed"),
        ("ds=nocloud-net;s=file://a/b/", "/a/b"),
        ("ds=nocloud;s=http://example.org/", None),
        ("ds=nocloud", None),
        ("quiet", None),
    ],
)
def test_seed_directory_is_what_the_url_means(text: str, directory: str | None) -> None:
    expected = None if directory is None else PurePosixPath(directory)
    assert cloud_init.seed_directory(KernelArguments.parse(text)) == expected


OLD_CLOUD_INIT = "def read_seeded(base):\n    md_url = base + 'meta-data'\n\ndef other():\n    'network-config'\n"
NEW_CLOUD_INIT = (
    "def read_seeded(base):\n    if features.NOCLOUD_SEED_URL_APPEND_FORWARD_SLASH: base += '/'\n"
    "    network_url = base + 'network-config'\n"
)


def image_with(directory: Path, cloud_init_source: str) -> Tree:
    module = directory / "usr/lib/python3/dist-packages/cloudinit/util.py"
    module.parent.mkdir(parents=True)
    module.write_text(cloud_init_source)
    return Tree(directory)


@pytest.mark.parametrize(
    ("source", "url", "setting", "link"),
    [
        (OLD_CLOUD_INIT, "file://seed", True, True),
        (OLD_CLOUD_INIT, "file:///seed", True, True),
        (OLD_CLOUD_INIT, "file:///seed/", False, True),
        (NEW_CLOUD_INIT, "file://seed", True, False),
        (NEW_CLOUD_INIT, "file://seed/", True, False),
        (NEW_CLOUD_INIT, "file:///seed", False, False),
        (NEW_CLOUD_INIT, "file:///seed/", False, False),
    ],
)
def test_only_what_this_cloud_init_lacks_is_added(
    tmp_path: Path, source: str, url: str, *, setting: bool, link: bool
) -> None:
    tree = image_with(tmp_path, source)
    said = cloud_init.apply(tree, KernelArguments.parse(f"ds=nocloud;s={url}"))
    assert tree.exists(cloud_init.DROP_IN) == setting
    assert (tmp_path / str(cloud_init.SEED_LINK).lstrip("/")).is_symlink() == link
    assert len(said) == (1 if setting or link else 0), "one warning where something was corrected, else none"
    if setting:
        assert "seedfrom: file:///seed/\n" in tree.read_text(cloud_init.DROP_IN)


def test_image_without_cloud_init_is_left_alone(tmp_path: Path) -> None:
    assert cloud_init.apply(Tree(tmp_path), KernelArguments.parse("ds=nocloud;s=file://seed")) == []
    assert list(tmp_path.iterdir()) == []
