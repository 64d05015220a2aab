"""The account of one run: systemd-tmpfiles itself makes it, and its secret is in no text that anybody sees."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mic.programs import run
from verify.access.system_credential import SystemCredential, system_credential
from verify.crypt import crypt
from verify.machine.firmware import Firmware
from verify.machine.spec import MachineSpec


def lines_of(credential: SystemCredential) -> str:
    text = credential.oem_string().get_secret_value()
    name, _, encoded = text.partition("=")
    assert name == "io.systemd.credential.binary:tmpfiles.extra"
    return base64.b64decode(encoded).decode()


@pytest.mark.parametrize("ends", [True, False])
def test_systemd_tmpfiles_appends_the_account_and_leaves_all_else(tmp_path: Path, ends: bool) -> None:
    before = {"passwd": "root:x:0:0::/root:/bin/sh\nlast:x:1:1::/:/bin/sh", "shadow": "root:*:1::::::\nlast:!:1::::::"}
    (tmp_path / "etc").mkdir()
    for name, text in before.items():
        (tmp_path / "etc" / name).write_text(text + "\n" * ends)
    credential = system_credential({"root"}, (ends, ends))
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "-", stdin=lines_of(credential).encode())
    after = {name: (tmp_path / "etc" / name).read_text() for name in before}
    assert after["passwd"] == f"{before['passwd']}\n{credential.user}:x:0:0:mic verify:/:/bin/sh\n"
    shadow, _, added = after["shadow"].partition(f"\n{credential.user}:")
    assert shadow == before["shadow"]
    hashed, *rest = added.split(":")
    assert rest == ["", "", "", "", "", "", "\n"]
    assert crypt(credential.password.get_secret_value(), hashed) == hashed


def test_no_two_runs_share_a_password_and_no_name_is_taken() -> None:
    one, other = system_credential(()), system_credential(())
    assert one.password != other.password
    assert len(one.password.get_secret_value()) >= 20
    assert one.user != system_credential({one.user}).user


def test_secrets_are_in_no_text_of_the_machine(tmp_path: Path) -> None:
    credential = system_credential(())
    spec = credential.equip(MachineSpec(tmp_path, Firmware.BIOS))
    shown = repr(spec) + repr(credential) + credential.changes
    assert credential.password.get_secret_value() not in shown
    assert spec.oem_strings[0].get_secret_value().partition("=")[2] not in shown
