"""The harness takes the way that changes least and still gives root's rights; what it cannot use it does not try."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.verify.small_medium import SmallMedium
from verify.access.choose import GuestSystem, guest_system, linux_line_of, ways_in, why_none
from verify.access.way import AccessChoice, Means
from verify.audit import Audit, audit_medium
from verify.expectations.credentials import Credential

ADMIN = Credential("admin", SecretStr("secret"), may_be_root=True, by_cloud_init=False)
ROOT = Credential("root", SecretStr("secret"), may_be_root=True, by_cloud_init=False)
GUEST = Credential("guest", SecretStr("secret"), may_be_root=False, by_cloud_init=False)
NEW, OLD = GuestSystem(systemd=252), GuestSystem(systemd=251)
AUTO = AccessChoice.AUTO
P, C, G = Means.PASSWORD, Means.CREDENTIALS, Means.GRUB


def means(
    credentials: tuple[Credential, ...], system: GuestSystem = NEW, choice: AccessChoice = AUTO, line: int | None = 2
) -> list[Means]:
    return [way.means for way in ways_in(choice, credentials, system, line)]


def test_user_who_may_become_root_is_tried_before_anything_is_changed() -> None:
    assert means((GUEST, ADMIN))[0] is P


def test_without_any_password_credentials_come_before_grub() -> None:
    assert means(()) == [C, G]


def test_user_without_roots_rights_is_the_last_resort() -> None:
    assert means((GUEST,)) == [C, G, P]


def test_member_of_sudo_is_of_no_use_where_there_is_no_sudo_but_root_is() -> None:
    without = GuestSystem(systemd=252, has_sudo=False)
    assert means((ADMIN,), without)[0] is C
    assert means((ROOT,), without)[0] is P


def test_systemd_that_takes_no_credentials_from_smbios_is_not_given_any() -> None:
    assert means((), OLD) == [G]


def test_unknown_systemd_is_tried() -> None:
    assert means((), GuestSystem()) == [C, G]


def test_entry_that_cannot_be_extended_is_no_way_in() -> None:
    assert means((), OLD, line=None) == []
    assert "older than 252" in why_none(AUTO)


@pytest.mark.parametrize("choice", [AccessChoice.PASSWORD, AccessChoice.CREDENTIALS, AccessChoice.GRUB])
def test_means_that_are_asked_for_are_the_only_ones(choice: AccessChoice) -> None:
    assert means((ADMIN, GUEST), choice=choice) == [Means(choice.value)]


def test_forced_credentials_are_tried_whatever_the_rootfs_says() -> None:
    assert means((), OLD, AccessChoice.CREDENTIALS) == [C]


def test_forced_password_without_any_is_said() -> None:
    assert means((), choice=AccessChoice.PASSWORD) == []
    assert why_none(AccessChoice.PASSWORD) == (
        "the configuration names no user with a password in plain text and a login shell"
    )


def test_rootfs_tells_systemds_version_sudo_accounts_and_the_debug_shells_terminal(tmp_path: Path) -> None:
    small = SmallMedium()
    generator = "usr/lib/systemd/system-generators/systemd-debug-generator"
    small.rootfs |= {
        "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": "",
        generator: "Description=Early root shell on /dev/%s FOR DEBUGGING ONLY",
        "usr/bin/sudo": "",
        "etc/shadow": "root:*:1::::::",
    }
    iso = small.write(tmp_path)
    # By way of the file: what the workers read.
    audit = Audit.from_json(audit_medium(iso).to_json())
    assert guest_system(audit) == GuestSystem(252, True, True, frozenset({"root", "test"}), (True, False))
    assert linux_line_of(iso) == 2


def test_older_generator_and_missing_sudo_are_seen(tmp_path: Path) -> None:
    small = SmallMedium()
    small.rootfs |= {"usr/lib/systemd/libsystemd-shared-247.so": ""}
    system = guest_system(audit_medium(small.write(tmp_path)))
    assert (system.systemd, system.names_terminal, system.has_sudo) == (247, False, False)


def test_medium_that_cannot_be_read_leaves_all_ways_open(tmp_path: Path) -> None:
    broken = tmp_path / "broken.iso"
    broken.write_bytes(b"no ISO at all")
    assert linux_line_of(broken) is None
    small = SmallMedium()
    del small.rootfs["etc/passwd"]
    assert guest_system(audit_medium(small.write(tmp_path))) == GuestSystem()
