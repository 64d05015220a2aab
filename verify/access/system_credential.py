"""An account for this one run, told to the guest's systemd as a credential in the SMBIOS table.

systemd takes credentials from SMBIOS strings of type 11 from version 252 on, and systemd-tmpfiles reads lines
of tmpfiles.d(5) out of the credential ``tmpfiles.extra`` (systemd.system-credentials(7)). They append to
/etc/passwd and /etc/shadow before anybody can log in; on a live medium that is the overlay's upper layer, in
memory. Measured with systemd 252 and 257.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace

from pydantic import SecretStr

from verify.access.way import Means
from verify.console.shell import Shell
from verify.crypt import crypt
from verify.deadline import Deadline
from verify.expectations.credentials import Credential
from verify.machine.machine import Machine
from verify.machine.spec import MachineSpec

FIRST_SYSTEMD = 252
_NAME_PREFIX = "mic-verify-"
_PASSWORD_BYTES = 18
_SALT_BYTES = 6
# Which every libcrypt knows. Few rounds: the password is long and random, and an emulated processor slow.
_METHOD = "$6$rounds=1000$"


@dataclass(frozen=True)
class SystemCredential:
    """The account `user`, with user id 0; `ends_lines` tells whether passwd and shadow end in a newline."""

    user: str
    password: SecretStr
    ends_lines: tuple[bool, bool] = (True, True)
    means: Means = Means.CREDENTIALS
    added_arguments: str = ""

    @property
    def changes(self) -> str:
        return f"{self.user}, an account with user id 0, is in /etc/passwd and /etc/shadow of the running system"

    @property
    def accounts(self) -> tuple[Credential, ...]:
        return (Credential(self.user, self.password, may_be_root=True, by_cloud_init=False),)

    def equip(self, spec: MachineSpec) -> MachineSpec:
        return replace(spec, oem_strings=(*spec.oem_strings, self.oem_string()))

    def accompany(self, machine: Machine) -> str | None:
        return None

    def open_own_shell(self, machine: Machine, deadline: Deadline) -> Shell | str | None:
        return None

    def oem_string(self) -> SecretStr:
        """The SMBIOS string; it holds the hash of the password."""
        salt = secrets.token_hex(_SALT_BYTES)
        hashed = crypt(self.password.get_secret_value(), f"{_METHOD}{salt}$")
        passwd = f"{self.user}:x:0:0:mic verify:/:/bin/sh"
        shadow = f"{self.user}:{hashed}:::::::"
        lines = (
            _appending("/etc/passwd", passwd, ends_lines=self.ends_lines[0]),
            _appending("/etc/shadow", shadow, ends_lines=self.ends_lines[1]),
        )
        encoded = base64.b64encode("".join(lines).encode()).decode()
        return SecretStr(f"io.systemd.credential.binary:tmpfiles.extra={encoded}")


def system_credential(taken: Collection[str], ends_lines: tuple[bool, bool] = (True, True)) -> SystemCredential:
    """An account whose name none of `taken` has, with a random password."""
    while (user := f"{_NAME_PREFIX}{secrets.token_hex(3)}") in taken:
        continue
    return SystemCredential(user, SecretStr(secrets.token_urlsafe(_PASSWORD_BYTES)), ends_lines)


def _appending(path: str, line: str, *, ends_lines: bool) -> str:
    """A line of tmpfiles.d(5), whose argument is unescaped like a C string."""
    before = "" if ends_lines else "\\n"
    return f"w+ {path} - - - - {before}{line}\\n\n"
