"""Each check of a medium that is not booted passes on a good one and names what is wrong with a bad one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mic.errors import UserError
from tests.verify.conftest import EXAMPLE_1, USER_DATA, WriteConfig
from tests.verify.medium_checks import check_medium
from tests.verify.small_medium import HASH, SHADOW, SmallMedium
from verify.medium import open_medium

CONFIG = (
    EXAMPLE_1
    + f"""\
    SecondaryGroups: [adm]
    StartupCommand: /bin/bash
    UID: 1000
    PasswordExpiresDays: 99999
  - {{Name: locked}}
  - {{Name: hashed, Password: '{HASH}', PasswordHashed: true}}
  Hostname: configured
  AdditionalFiles:
    cloud-init-data/motd: /etc/motd
"""
)
NO_SEED = ("cloud-init.schema.user-data", "cloud-init.schema.meta-data")
Failures = dict[str, str]
Verified = Callable[[SmallMedium], Failures]


@pytest.fixture
def verified(tmp_path: Path, write_config: WriteConfig) -> Verified:
    """Writes a medium and makes every check on it; returns the failing ones' reasons by id."""

    def verify(medium: SmallMedium) -> Failures:
        path = write_config(CONFIG)
        (path.parent / "cloud-init-data/motd").write_text("hello\n")
        (path.parent / "cloud-init-data/motd").chmod(0o644)
        return check_medium(medium, path, tmp_path).failures

    return verify


def good() -> SmallMedium:
    medium = SmallMedium()
    medium.rootfs["etc/passwd"] += "locked:x:1001:4::/:/bin/sh\nhashed:x:1002:4::/:/bin/sh\n"
    medium.rootfs["etc/shadow"] += f"hashed:{HASH}:1::::::\n"
    return medium


def test_good_medium_passes_every_check(verified: Verified) -> None:
    assert verified(good()) == {}


@pytest.mark.parametrize(
    ("change", "failing", "reason"),
    [
        (lambda good: replace(good, searched="OTHER"), {"live.volume-label"}, "OTHER"),
        (
            lambda good: replace(good, root="root=live:LABEL=OTHER"),
            {"live.volume-label", "kernel-arguments.stock"},
            "OTHER",
        ),
        (lambda good: replace(good, label="OTHER"), {"live.volume-label", "kernel-arguments.stock"}, "SMALL"),
        (
            lambda good: replace(good, arguments="ds=nocloud;s=file://x"),
            {"kernel-arguments.asked", *NO_SEED},
            "does not end in",
        ),
        (lambda good: replace(good, arguments="quiet"), {"kernel-arguments.asked", *NO_SEED}, "does not end in"),
        (lambda good: replace(good, firmwares=("bios",)), {"live.boot-catalogue-uefi"}, "no bootable entry for uefi"),
        (lambda good: replace(good, firmwares=("uefi",)), {"live.boot-catalogue-bios"}, "no bootable entry for bios"),
        (
            lambda good: replace(good, firmwares=()),
            {"live.boot-catalogue-bios", "live.boot-catalogue-uefi"},
            "no bootable entry at all",
        ),
    ],
)
def test_wrong_boot_configuration_is_named(
    verified: Verified, change: Callable[[SmallMedium], SmallMedium], failing: set[str], reason: str
) -> None:
    failures = verified(change(good()))
    assert failures.keys() == failing
    assert any(reason in text for text in failures.values()), failures


@pytest.mark.parametrize(
    ("path", "text", "failing", "reason"),
    [
        ("etc/fstab", "/dev/sda1 / ext4\n", {"live.no-fstab"}, "has /etc/fstab"),
        ("etc/hostname", "debian\n", {"host-name.name"}, "'debian'"),
        ("etc/hosts", "127.0.1.1 debian\n", {"host-name.hosts"}, "127.0.1.1 debian"),
        ("etc/motd", "hullo\n", {"file.rootfs./etc/motd"}, "other content"),
        ("etc/group", "root:x:0:\nadm:x:4:\nsudo:x:27:\n", {"user.test.group-adm"}, "no member of adm"),
        ("etc/group", "adm:x:4:test\nsudo:x:28:\n", {"user.test.primary-group"}, "GID 27"),
        (
            "etc/shadow",
            SHADOW.replace("test:", "test:!") + f"hashed:{HASH}:1::::::\n",
            {"user.test.password"},
            "locked on the medium",
        ),
        (
            "etc/shadow",
            SHADOW.replace("test:$6$saltsalt", "test:$6$saltsale") + f"hashed:{HASH}:1::::::\n",
            {"user.test.password"},
            "does not fit",
        ),
        ("etc/shadow", f"{SHADOW}hashed:{HASH}x:1::::::\n", {"user.hashed.hash"}, "not the configuration's"),
        (
            "etc/shadow",
            SHADOW.replace("locked:!", "locked:") + f"hashed:{HASH}:1::::::\n",
            {"user.locked.no-password"},
            "without a password",
        ),
        (
            "etc/shadow",
            SHADOW.replace("99999", "30") + f"hashed:{HASH}:1::::::\n",
            {"user.test.expiry"},
            "age is 30",
        ),
    ],
)
def test_wrong_rootfs_is_named(verified: Verified, path: str, text: str, failing: set[str], reason: str) -> None:
    medium = good()
    medium.rootfs[path] = text
    failures = verified(medium)
    assert failures.keys() == failing
    assert any(reason in text for text in failures.values()), failures


def test_missing_user_fails_everything_about_that_user_and_nothing_else(verified: Verified) -> None:
    medium = good()
    medium.rootfs["etc/passwd"] = medium.rootfs["etc/passwd"].replace("test:x", "tess:x")
    medium.rootfs["etc/shadow"] = medium.rootfs["etc/shadow"].replace("test:", "tess:")
    failures = verified(medium)
    assert {id for id in failures if not id.startswith("user.test.")} == set()
    assert failures["user.test.exists"] == "there is no user test"


@pytest.mark.parametrize(
    ("path", "failing", "reason"),
    [
        (
            "cloud-init-data/meta-data",
            {"file.iso./cloud-init-data/meta-data", "cloud-init.schema.meta-data"},
            "which has no meta-data",
        ),
        ("boot/initrd.img", {"live.boot-files"}, "no file /boot/initrd.img"),
        ("boot/vmlinuz", {"live.boot-files"}, "no file /boot/vmlinuz"),
    ],
)
def test_missing_file_of_the_medium_is_named(verified: Verified, path: str, failing: set[str], reason: str) -> None:
    medium = good()
    del medium.files[path]
    failures = verified(medium)
    assert failures.keys() == failing
    assert any(reason in text for text in failures.values()), failures


def test_changed_file_of_the_medium_is_named(verified: Verified) -> None:
    medium = good()
    medium.files["cloud-init-data/user-data"] = f"{USER_DATA}#\n"
    assert verified(medium).keys() == {"file.iso./cloud-init-data/user-data"}


@pytest.mark.parametrize("content", [b"", b"no iso\n" * 100, b"\0" * 70000])
def test_what_is_no_iso_is_the_users_to_mend(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.iso"
    path.write_bytes(content)
    with pytest.raises(UserError, match="ISO 9660"), open_medium(path):
        pass


def test_missing_medium_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"), open_medium(tmp_path / "none.iso"):
        pass
