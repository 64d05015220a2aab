"""One user of the booted system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from mic.config.fields import (
    Flag,
    ListOf,
    NonEmptyText,
    Secret,
    Text,
    absent_if_empty,
    has_control_character,
    matching,
    refuse,
    whole_number,
)
from mic.config.section import Section
from mic.errors import UserError

# What every useradd within reach takes: shadow-utils allows less, Debian's and Fedora's patches more.
_USER_NAME = r"(?!\d+\$?$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?"
_USER_NAME_RULE = (
    "is not a valid user name: at most 32 letters, digits, '_', '-' and '.', not only digits, no leading '-'"
)
# A name in /etc/group; stricter rules are the image's.
_GROUP_NAME = re.compile(r"[^\s:,/-][^\s:,/]*")
_GROUP_NAME_RULE = "is not a valid group name: no spaces, ':', ',', '/', no leading '-'"

_SALT = r"[^$:\s]"
_HASH64 = "[./0-9A-Za-z]"
# crypt(5) of libxcrypt; the old DES hashes are left out, for any password of 13 letters looks like one.
_CRYPT_HASH = re.compile(
    rf"\$1\${_SALT}{{0,8}}\${_HASH64}{{22}}"
    rf"|\$5\$(rounds=\d+\$)?{_SALT}{{0,16}}\${_HASH64}{{43}}"
    rf"|\$6\$(rounds=\d+\$)?{_SALT}{{0,16}}\${_HASH64}{{86}}"
    rf"|\$2[abxy]\$\d\d\${_HASH64}{{53}}"
    rf"|\$g?y\${_HASH64}+\${_HASH64}{{0,86}}\${_HASH64}{{43}}"
    rf"|\$7\${_HASH64}{{11,97}}\${_HASH64}{{43}}"
)
# CRYPT_MAX_PASSPHRASE_SIZE of libxcrypt's crypt.h, of which one byte is NUL.
_LONGEST_PASSWORD_BYTES = 511


def wrong_password(text: str, *, hashed: bool) -> str | None:
    """What is wrong with a password, or with its hash, in words that do not show it; None if nothing is."""
    if not text:
        return "is empty"
    if hashed:
        return None if _CRYPT_HASH.fullmatch(text) else "is not a crypt hash, which PasswordHashed says it is"
    if has_control_character(text):
        return "holds a line break or a control character, which nobody can type"
    if len(text.encode()) > _LONGEST_PASSWORD_BYTES:
        return f"is longer than {_LONGEST_PASSWORD_BYTES} bytes"
    return None


def wrong_public_key(text: str) -> str | None:
    """What is wrong with a line for authorized_keys, in words that do not show it; None if nothing is."""
    if "PRIVATE KEY" in text:
        return "is a private key; the public one belongs here"
    key = text.strip()
    if not key:
        return "is empty"
    return "holds a line break or a control character" if has_control_character(key.replace("\t", " ")) else None


def _public_key(text: str) -> str:
    if (wrong := wrong_public_key(text)) is not None:
        refuse(wrong)
    return text.strip()


def _shell(text: str) -> str:
    if not text.startswith("/"):
        refuse("must be an absolute path")
    if has_control_character(text) or ":" in text:
        refuse("holds a ':' or a control character, which a login shell cannot")
    return text


def _group(text: str) -> str:
    if not _GROUP_NAME.fullmatch(text):
        refuse(_GROUP_NAME_RULE)
    return text


class UserSection(Section):
    """A user to make, or to change where the image has it.

    Without a password a new user is locked, and an existing one keeps what it has. Passwords and hashes are shown
    in no log, no argument list and no error.
    """

    required = ("Name",)

    name: Annotated[Text, matching(_USER_NAME, _USER_NAME_RULE)] | None = Field(
        None,
        alias="Name",
        description="Login name: at most 32 letters, digits, `_`, `-` and `.`, not only digits, no leading `-`; a `$` "
        "may stand at the end. The same name twice is an error.",
        examples=["test"],
    )
    uid: Annotated[int, Field(ge=0, le=60000), whole_number(0, 60000)] | None = Field(
        None,
        alias="UID",
        description="User id; the image's useradd chooses if absent. Another id than an existing user has is an error.",
        examples=[1500],
    )
    password: Secret | None = Field(
        None,
        alias="Password",
        description="Password, in plain text unless `PasswordHashed`. Not together with `PasswordPath`.",
        examples=["testpassword"],
    )
    password_path: NonEmptyText | None = Field(
        None,
        alias="PasswordPath",
        description="File with the password, or its hash; a line break at its end is not part of it. Not together with "
        "`Password`.",
        examples=["secrets/test.password"],
    )
    password_hashed: Flag = Field(
        False,
        alias="PasswordHashed",
        description="Whether the password is a hash as crypt(5) has it, other than DES; it has to look like one.",
        examples=[True],
    )
    password_expires_days: Annotated[int, Field(ge=-1, le=99999), whole_number(-1, 99999, "of days")] | None = Field(
        None,
        alias="PasswordExpiresDays",
        description="For how many days the password can be used, as with `chage -M`; -1 removes expiry.",
        examples=[90],
    )
    ssh_pub_key_paths: ListOf[NonEmptyText] = Field(
        (),
        alias="SSHPubKeyPaths",
        description="Files with public keys, a line each. They are appended to `.ssh/authorized_keys` in the home that "
        "the image's `/etc/passwd` names; nothing there is overwritten, owner and modes are what sshd wants.",
        examples=[["keys/test.pub"]],
    )
    ssh_pub_keys: ListOf[Annotated[Text, AfterValidator(_public_key)]] = Field(
        (),
        alias="SSHPubKeys",
        description="Public keys, treated like those of `SSHPubKeyPaths` and appended after them.",
        examples=[["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample test@example.org"]],
        repr=False,
    )
    primary_group: Annotated[Text, absent_if_empty(_group)] | None = Field(
        None,
        alias="PrimaryGroup",
        description="Primary group. Has to exist in the image, which is checked before anything is changed.",
        examples=["sudo"],
    )
    secondary_groups: ListOf[Annotated[Text, AfterValidator(_group)]] = Field(
        (),
        alias="SecondaryGroups",
        description="Further groups; they have to exist in the image, too. Those that a user has stay.",
        examples=[["audio", "video"]],
    )
    startup_command: Annotated[Text, absent_if_empty(_shell)] | None = Field(
        None,
        alias="StartupCommand",
        description="The login shell of exactly this user in `/etc/passwd`: an absolute path without `:`.",
        examples=["/bin/bash"],
    )

    def problems(self) -> Iterator[UserError]:
        yield from super().problems()
        if self.is_written("Password") and self.is_written("PasswordPath"):
            yield self.problem("cannot be given together with Password", at="PasswordPath")
        if self.password is not None and self.is_whole("PasswordHashed"):
            wrong = wrong_password(self.password.get_secret_value(), hashed=self.password_hashed)
            if wrong is not None:
                hint = None if self.password.get_secret_value() else "leave it out to lock a new user"
                yield self.problem(wrong, at="Password", hint=hint)
