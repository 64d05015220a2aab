"""Promises about users, their passwords and their keys."""

from __future__ import annotations

import logging
import pickle
import traceback
from pathlib import Path

import pytest

from mic.config import User, load_config
from mic.errors import UserError

from .conftest import Complaints, Read

SHA512 = "$6$saltsalt$" + "a" * 86
HASHES = [
    "$1$saltsalt$" + "a" * 22,
    "$5$rounds=5000$salt$" + "a" * 43,
    SHA512,
    "$2b$12$" + "a" * 53,
    "$y$j9T$saltsalt$" + "a" * 43,
    "$gy$j9T$saltsalt$" + "a" * 43,
    "$7$CU..../....saltsalt$" + "a" * 43,
]


def user_of(read: Read, fields: str) -> User:
    (user,) = read(f"SystemConfig:\n  Users:\n  - Name: a\n{fields}").system_config.users
    return user


def test_user_carries_all_that_was_asked_for(read: Read, directory: Path) -> None:
    user = user_of(
        read,
        "    UID: 1005\n    Password: pw\n    PasswordExpiresDays: -1\n    SSHPubKeys: [ssh-ed25519 AAAA x]\n"
        "    PrimaryGroup: sudo\n    SecondaryGroups: [audio, video]\n    StartupCommand: /bin/sh\n",
    )
    assert user.password is not None
    assert user.password.get_secret_value() == "pw"
    assert (user.uid, user.password_expires_days, user.password_hashed) == (1005, -1, False)
    assert (user.primary_group, user.secondary_groups) == ("sudo", ("audio", "video"))
    assert (user.ssh_public_keys, user.startup_command) == (("ssh-ed25519 AAAA x",), "/bin/sh")
    assert (str(user.position), user.key_path) == (f"{directory}/c.yaml:3:5", "SystemConfig.Users[0]")


def test_user_of_whom_nothing_is_asked_has_no_password(read: Read) -> None:
    user = user_of(read, "    PrimaryGroup: ''\n    StartupCommand: ''\n")
    assert (user.password, user.uid, user.primary_group, user.startup_command) == (None, None, None, None)


@pytest.mark.parametrize(
    ("content", "password"), [("pw\n", "pw"), ("pw\r\n", "pw"), ("pw", "pw"), (" p w \n", " p w ")]
)
def test_password_file_holds_the_password_without_its_line_break(
    read: Read, directory: Path, content: str, password: str
) -> None:
    (directory / "pw").write_bytes(content.encode())
    user = user_of(read, "    PasswordPath: pw\n")
    assert user.password is not None
    assert user.password.get_secret_value() == password


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the password in the file is empty"),
        (b"\n", "the password in the file is empty"),
        (b"a\nb\n", "the password in the file holds a line break or a control character, which nobody can type"),
        (b"a\n\n", "the password in the file holds a line break or a control character, which nobody can type"),
        (b"\xff\n", "the file is not UTF-8 text"),
        (b"x" * 512, "the password in the file is longer than 511 bytes"),
        (b"x" * ((1 << 20) + 1), "the file is larger than 4 KiB"),
    ],
)
def test_password_file_with_something_else_is_refused(
    complaints: Complaints, directory: Path, content: bytes, complaint: str
) -> None:
    (directory / "pw").write_bytes(content)
    assert complaints("SystemConfig: {Users: [{Name: a, PasswordPath: pw}]}") == [
        f"1:48: SystemConfig.Users[0].PasswordPath: {complaint}"
    ]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("Password: ''", "Password: is empty (leave it out to lock a new user)"),
        ('Password: "a\\nb"', "Password: holds a line break or a control character, which nobody can type"),
        ("Password: " + "ü" * 256, "Password: is longer than 511 bytes"),
        ("Password: {a: b}", "Password: must be text, not a map"),
        ("PasswordPath: ''", "PasswordPath: is empty"),
        ("PasswordPath: .", "PasswordPath: is a directory, not a regular file"),
        ("PasswordPath: /dev/zero", "PasswordPath: is a special file, not a regular file"),
        ("PasswordExpiresDays: 100000", "PasswordExpiresDays: must be a whole number of days from -1 to 99999"),
        ("StartupCommand: bash", "StartupCommand: must be an absolute path"),
        ("StartupCommand: '/bin/sh:x'", "StartupCommand: holds a ':' or a control character"),
        ("SSHPubKeys: ['']", "SSHPubKeys[0]: is empty"),
        ('SSHPubKeys: ["a\\nb"]', "SSHPubKeys[0]: holds a line break or a control character"),
        ("SSHPubKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----']", "SSHPubKeys[0]: is a private key; the public one"),
        ("SSHPubKeyPaths: [missing]", "SSHPubKeyPaths[0]: no such file"),
        ("SSHPubKeyPaths: [empty]", "SSHPubKeyPaths[0]: the file is empty"),
        ("SSHPubKeyPaths: [private]", "SSHPubKeyPaths[0]: a line of the file is a private key"),
        ("PrimaryGroup: a:b", "PrimaryGroup: is not a valid group name"),
        ("SecondaryGroups: ['a,b']", "SecondaryGroups[0]: is not a valid group name"),
        ("SecondaryGroups: ['-G']", "SecondaryGroups[0]: is not a valid group name"),
        ("SecondaryGroups: ['']", "SecondaryGroups[0]: is not a valid group name"),
        ("SecondaryGroups: sudo", "SecondaryGroups: must be a list, not text (begin each item with a dash)"),
    ],
)
def test_what_a_user_cannot_have_is_refused(
    complaints: Complaints, directory: Path, fields: str, complaint: str
) -> None:
    (directory / "empty").write_text("\n\n")
    (directory / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n")
    (found,) = complaints(f"SystemConfig:\n  Users:\n  - Name: a\n    {fields}\n")
    assert found.partition(": SystemConfig.Users[0].")[2].startswith(complaint)
    assert found.startswith("4:")


@pytest.mark.parametrize("days", [-1, 0, 99999])
def test_limits_of_expiry_are_inside(read: Read, days: int) -> None:
    assert user_of(read, f"    PasswordExpiresDays: {days}\n").password_expires_days == days


@pytest.mark.parametrize("name", ["root", "a", "A.b-c_d", "_x", "machine$", "a1", "1a", "x" * 32])
def test_user_names_that_useradd_takes_are_taken(read: Read, name: str) -> None:
    (user,) = read(f"SystemConfig: {{Users: [{{Name: {name}}}]}}").system_config.users
    assert user.name == name


@pytest.mark.parametrize("name", ["-a", "a b", "'a:b'", "''", "a/b", "123", "é", "x" * 33, '"a\\n"', ".", "a$b"])
def test_user_names_that_useradd_refuses_are_refused(complaints: Complaints, name: str) -> None:
    (complaint,) = complaints(f"SystemConfig: {{Users: [{{Name: {name}}}]}}")
    assert "SystemConfig.Users[0].Name: is not a valid user name" in complaint


@pytest.mark.parametrize("hashed", HASHES)
def test_hashes_of_crypt_are_taken(read: Read, hashed: str) -> None:
    user = user_of(read, f"    Password: {hashed}\n    PasswordHashed: yes\n")
    assert user.password_hashed
    assert user.password is not None
    assert user.password.get_secret_value() == hashed


@pytest.mark.parametrize(
    "hashed", ["abcdefghijklm", SHA512[:-1], SHA512 + "a", "$6$", "!", "*", f"!{SHA512}", "$6$a:b$"]
)
@pytest.mark.parametrize("from_file", [False, True])
def test_what_is_no_hash_is_refused_without_being_shown(
    complaints: Complaints, directory: Path, hashed: str, from_file: bool
) -> None:
    (directory / "pw").write_text(hashed)
    key = "PasswordPath: pw" if from_file else f"Password: '{hashed}'"
    (complaint,) = complaints(f"SystemConfig: {{Users: [{{Name: a, PasswordHashed: true, {key}}}]}}")
    assert complaint.endswith("is not a crypt hash, which PasswordHashed says it is")


def test_keys_of_files_come_first_and_one_by_one(read: Read, directory: Path) -> None:
    (directory / "keys").write_text("ssh-rsa AAAA a\r\n\n# comment\nssh-rsa BBBB b\n")
    user = user_of(read, "    SSHPubKeyPaths: [keys]\n    SSHPubKeys: ['ssh-rsa CCCC c ']\n")
    assert user.ssh_public_keys == ("ssh-rsa AAAA a", "# comment", "ssh-rsa BBBB b", "ssh-rsa CCCC c")


SECRET = "hunter2"
LEAKS = [
    f"Password: {SECRET}\n    UID: -1",
    f"Password: {SECRET}\n    PasswordHashed: true",
    f"Password: *{SECRET}",
    f"Password: !{SECRET} x",
    f"Password: !{SECRET}",
    f"Password: !x!{SECRET} y",
    f"Password: &{SECRET} [x]",
    f"Password: @{SECRET}",
    f"Password: %{SECRET}",
    f"Password: {{{SECRET}: a, {SECRET}: b}}",
    f"Password: {{{SECRET}: !a b}}",
    f"Password: [{SECRET}]",
    f"Password {SECRET}",
    f"PrimaryGroup: sudo\n    Password {SECRET}",
    f"StartupCommand: sh\n    Password {SECRET}",
    f"UID: 5\n    Password {SECRET}",
    f"PasswordPath: pw\n    Password {SECRET}",
    f"SSHPubKeyPaths: [pw\n      Password {SECRET}]",
    f"SSHPubKeys: [{{{SECRET}: x}}]",
    f"Pasword: {SECRET}",
    f"? {SECRET}",
    f"{SECRET}:",
    f"? Password:{SECRET}\n    : x",
    f"Password: '{SECRET}\\n\n    {SECRET}",
    f"Password: {SECRET}: {SECRET}",
    f'Password: "{SECRET}\\{SECRET}"',
    f"PasswordPath: {SECRET}",
]


@pytest.mark.parametrize("fields", LEAKS)
def test_no_error_shows_a_password_wherever_it_went_astray(
    directory: Path, caplog: pytest.LogCaptureFixture, fields: str
) -> None:
    caplog.set_level(logging.DEBUG)
    (directory / "c.yaml").write_text(f"SystemConfig:\n  Users:\n  - Name: a\n    {fields}\n")
    with pytest.raises(UserError) as caught:
        load_config(directory / "c.yaml")
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    # Where a test is itself the source of the line shown by a traceback, its constants are not.
    assert SECRET not in shown


def test_no_representation_shows_a_secret(read: Read, directory: Path) -> None:
    (directory / "pw").write_text(SECRET)
    config = read(
        f"SystemConfig:\n  Users:\n  - {{Name: a, Password: {SECRET}, SSHPubKeys: [ssh-rsa {SECRET}]}}\n"
        "  - {Name: b, PasswordPath: pw}\n"
    )
    assert SECRET not in repr(config)
    assert SECRET not in str(config)


def test_configuration_survives_pickling(read: Read) -> None:
    config = read("SystemConfig: {Users: [{Name: a, Password: b}], Services: {Enable: [c]}}")
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.position_of("SystemConfig") == config.position_of("SystemConfig")
