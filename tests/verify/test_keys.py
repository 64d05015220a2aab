"""Keys that a user is let in by: there, the user's own, and closed to others, on the medium and in the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verify.conftest import WriteConfig
from tests.verify.local_machine import LocalMachine
from tests.verify.medium_checks import MediumChecks, check_medium
from tests.verify.small_medium import SmallMedium
from verify.checks.catalogue import in_machine
from verify.expectations.users import KeysAuthorized
from verify.verdict import ProductFailure

KEY, OTHER = "ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"
CONFIG = f"SystemConfig:\n  Users:\n  - {{Name: keyed, SSHPubKeys: ['{KEY}', '{OTHER}']}}\n"
HOME, DIRECTORY, FILE = "home/keyed", "home/keyed/.ssh", "home/keyed/.ssh/authorized_keys"
Checked = Callable[..., MediumChecks]


def medium() -> SmallMedium:
    medium = SmallMedium()
    medium.rootfs["etc/passwd"] += "keyed:x:1005:4::/home/keyed:/bin/sh\n"
    medium.rootfs["etc/shadow"] += "keyed:!:1::::::\n"
    medium.rootfs[FILE] = f"# keys\n{OTHER}\n{KEY}\n"
    medium.owned = {HOME: (0o755, 1005), DIRECTORY: (0o700, 1005), FILE: (0o600, 1005)}
    return medium


@pytest.fixture
def checked(tmp_path: Path, write_config: WriteConfig) -> Checked:
    return lambda medium: check_medium(medium, write_config(CONFIG), tmp_path)


def test_keys_are_seen_on_the_medium(checked: Checked) -> None:
    checks = checked(medium())
    assert not checks.failures
    assert checks.seen["user.keyed.keys"].startswith("2 keys; /home/keyed/.ssh (UID 1005, mode 0700)")


@pytest.mark.parametrize(
    ("path", "mode", "uid", "reason"),
    [
        (FILE, 0o644, 1005, "authorized_keys (UID 1005, mode 0644) is not for keyed alone"),
        (FILE, 0o600, 0, "authorized_keys (UID 0, mode 0600) is not for keyed alone"),
        (DIRECTORY, 0o755, 1005, ".ssh (UID 1005, mode 0755) is not for keyed alone"),
        (DIRECTORY, 0o700, 1000, ".ssh (UID 1000, mode 0700) is not for keyed alone"),
        (HOME, 0o775, 1005, "the home of keyed is open to others: /home/keyed (UID 1005, mode 0775)"),
        (HOME, 0o700, 1000, "the home of keyed is open to others: /home/keyed (UID 1000, mode 0700)"),
    ],
)
def test_keys_that_others_may_change_are_named(checked: Checked, path: str, mode: int, uid: int, reason: str) -> None:
    changed = medium()
    changed.owned[path] = (mode, uid)
    (failure,) = checked(changed).failures.values()
    assert reason in failure


def test_key_that_is_missing_is_counted_and_not_shown(checked: Checked) -> None:
    changed = medium()
    changed.rootfs[FILE] = f"#{KEY}\n{OTHER}\n"
    assert checked(changed).failures == {"user.keyed.keys": "1 of 2 keys of keyed are missing"}


def test_file_that_is_missing_is_named(checked: Checked) -> None:
    changed = medium()
    del changed.rootfs[FILE], changed.owned[FILE], changed.owned[DIRECTORY]
    changed.rootfs[f"{HOME}/.profile"] = ""
    assert checked(changed).failures == {"user.keyed.keys": "the rootfs has no /home/keyed/.ssh"}


@pytest.fixture
def machine(tmp_path: Path) -> LocalMachine:
    machine = LocalMachine(tmp_path)
    machine.write("/etc/passwd", "root:x:0:0::/home/root:/bin/sh\nother:x:1:1::/home/root:/bin/sh\n")
    machine.write("/home/root/.ssh/authorized_keys", f"{KEY}\n{OTHER}\n", 0o600)
    (machine.over["/home"] / "root/.ssh").chmod(0o700)
    return machine


def test_keys_are_seen_in_the_machine(machine: LocalMachine) -> None:
    assert in_machine.make(KeysAuthorized("root", (KEY, OTHER)), machine.guest).startswith("2 keys")


@pytest.mark.parametrize(
    ("path", "mode", "reason"),
    [
        ("root/.ssh/authorized_keys", 0o640, r"authorized_keys \(UID 0, mode 0640\)"),
        ("root/.ssh", 0o750, r"\.ssh \(UID 0, mode 0750\)"),
        ("root", 0o757, "the home of root is open to others"),
    ],
)
def test_modes_are_judged_in_the_machine(machine: LocalMachine, path: str, mode: int, reason: str) -> None:
    (machine.over["/home"] / path).chmod(mode)
    with pytest.raises(ProductFailure, match=reason):
        in_machine.make(KeysAuthorized("root", (KEY,)), machine.guest)


def test_owner_and_loss_are_judged_in_the_machine(machine: LocalMachine) -> None:
    with pytest.raises(ProductFailure, match="not for other alone, who has the UID 1"):
        in_machine.make(KeysAuthorized("other", (KEY,)), machine.guest)
    with pytest.raises(ProductFailure, match="1 of 2 keys of root are missing"):
        in_machine.make(KeysAuthorized("root", (KEY, "ssh-ed25519 CCCC three")), machine.guest)
    (machine.over["/home"] / "root/.ssh/authorized_keys").unlink()
    with pytest.raises(ProductFailure, match="root has no authorized_keys"):
        in_machine.make(KeysAuthorized("root", (KEY,)), machine.guest)
