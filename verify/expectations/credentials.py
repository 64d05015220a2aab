"""The users with whose password the harness may log in, best first."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from mic.config import Config
from verify.expectations.cloud_init import taken_over
from verify.expectations.cloud_seed import CloudSeed
from verify.expectations.users import is_login_shell

# Groups that sudoers of Debian (sudo), Red Hat's and Azure Linux (wheel), and older Ubuntu (admin) name.
_SUDO_GROUPS = frozenset({"sudo", "wheel", "admin", "root"})


@dataclass(frozen=True)
class Credential:
    """A user, the password in plain, and what the configuration lets hope for.

    `by_cloud_init`: the user can log in only once cloud-init is done.
    """

    user: str
    password: SecretStr
    may_be_root: bool
    by_cloud_init: bool


def credentials_of(config: Config, seed: CloudSeed | None) -> tuple[Credential, ...]:
    """Every user with a password known in plain and a shell; those who may become root come first."""
    found = []
    for user in config.system_config.users:
        if user.password is None or user.password_hashed or user.name in taken_over(seed):
            continue
        # With a maximum age of 0 days the login asks for another password as soon as a day has passed.
        if is_login_shell(user.startup_command) and user.password_expires_days != 0:
            groups = {*user.secondary_groups, user.primary_group or ""}
            may = user.name == "root" or user.uid == 0 or bool(groups & _SUDO_GROUPS)
            found.append(Credential(user.name, user.password, may, by_cloud_init=False))
    for account in seed.user_data.users if seed is not None and seed.user_data is not None else ():
        if account.password is not None and not account.expired and is_login_shell(account.shell):
            groups = {*account.groups, account.primary_group or ""}
            may = account.name == "root" or account.may_sudo or bool(groups & _SUDO_GROUPS)
            found.append(Credential(account.name, account.password, may, by_cloud_init=True))
    return tuple(sorted(found, key=lambda credential: not credential.may_be_root))
