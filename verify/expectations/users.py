"""SystemConfig.Users: what each user must be, and how its password must behave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import SecretStr

from mic.config import Config, User
from verify.expectations.expectation import Expectation, Place, Subject, named

BOTH_PLACES = (Place.MEDIUM, Place.MACHINE)
# Any text that is nobody's password; which one does not matter.
_WRONG_PASSWORDS = ("not-the-password", "not-this-one-either")
_LOGIN_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"})


@dataclass(frozen=True)
class UserExists(Subject):
    """The user is in passwd."""

    name: str


@dataclass(frozen=True)
class UserHasUid(Subject):
    """The user's numeric id."""

    name: str
    uid: int


@dataclass(frozen=True)
class UserHasShell(Subject):
    """The login shell field of the user."""

    name: str
    shell: str


@dataclass(frozen=True)
class UserHasPrimaryGroup(Subject):
    """The group whose id is in the user's passwd line."""

    name: str
    group: str


@dataclass(frozen=True)
class UserIsMemberOf(Subject):
    """A group that has the user as a member, be it primary or not."""

    name: str
    group: str


@dataclass(frozen=True)
class PasswordLogsIn(Subject):
    """The password is taken: at the console, or by crypt(3) against the shadow field of the medium.

    `may_be_expired`: the login may go on to demand a new password, because expiry was asked for.
    `has_login_shell`: false where the user's shell is no shell that answers, so that a session that ends at
    once still proves the password.
    """

    name: str
    password: SecretStr
    may_be_expired: bool
    has_login_shell: bool


@dataclass(frozen=True)
class WrongPasswordRefused(Subject):
    """Another password than the right one is refused at the console."""

    name: str
    wrong_password: str


@dataclass(frozen=True)
class ShadowFieldIs(Subject):
    """The password field of shadow is this hash."""

    name: str
    hashed: SecretStr


@dataclass(frozen=True)
class NoPasswordSet(Subject):
    """No password was asked for: locked if the user is new, kept if it was there; never an empty field."""

    name: str


@dataclass(frozen=True)
class PasswordExpires(Subject):
    """The maximum age of the password in days, as shadow has it; -1 for never."""

    name: str
    days: int


@dataclass(frozen=True)
class KeysAuthorized(Subject):
    """The public keys are in authorized_keys below the home that passwd names."""

    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class SshLetsIn(Subject):
    """sshd, where the image has one, takes these keys for the user, and nothing else shuts the user out."""

    name: str
    keys: tuple[str, ...]


def expected_users(config: Config, taken_over: frozenset[str]) -> Iterator[Expectation]:
    """For every configured user, on the medium and in the machine.

    `taken_over`: the users whose password cloud-init sets or locks on the booted machine; what the
    configuration says of their passwords then holds on the medium only.
    """
    for user in config.system_config.users:
        source = user.key_path
        yield from _account(user, source)
        yield from _password(user, source, in_machine=user.name not in taken_over)
        if user.ssh_public_keys:
            yield from _keys(user, f"{source}.SSHPubKeys")


def _keys(user: User, source: str) -> Iterator[Expectation]:
    keys = tuple(key.strip() for key in user.ssh_public_keys)
    requirement = f"The SSH public keys of {user.name} are authorized, and nobody else may change them"
    for place in BOTH_PLACES:
        id = named("user", user.name, "keys")
        yield Expectation(id, requirement, source, place, KeysAuthorized(user.name, keys))
    requirement = f"sshd, if there is one, lets {user.name} in with its keys"
    id = named("user", user.name, "ssh")
    yield Expectation(id, requirement, source, Place.MACHINE, SshLetsIn(user.name, keys))


def _account(user: User, source: str) -> Iterator[Expectation]:
    name = user.name
    rows: list[tuple[str, str, str, Subject]] = [("exists", f"User {name} exists", f"{source}.Name", UserExists(name))]
    if user.uid is not None:
        subject: Subject = UserHasUid(name, user.uid)
        rows.append(("uid", f"User {name} has the UID {user.uid}", f"{source}.UID", subject))
    if user.startup_command is not None:
        subject = UserHasShell(name, user.startup_command)
        requirement = f"The login shell of {name} is {user.startup_command}"
        rows.append(("shell", requirement, f"{source}.StartupCommand", subject))
    if user.primary_group is not None:
        subject = UserHasPrimaryGroup(name, user.primary_group)
        requirement = f"The primary group of {name} is {user.primary_group}"
        rows.append(("primary-group", requirement, f"{source}.PrimaryGroup", subject))
    for group in user.secondary_groups:
        subject = UserIsMemberOf(name, group)
        requirement = f"User {name} is a member of {group}"
        rows.append((f"group-{group}", requirement, f"{source}.SecondaryGroups", subject))
    for part, requirement, key, subject in rows:
        for place in BOTH_PLACES:
            yield Expectation(named("user", name, part), requirement, key, place, subject)


def _password(user: User, source: str, *, in_machine: bool) -> Iterator[Expectation]:
    places = BOTH_PLACES if in_machine else (Place.MEDIUM,)
    rows: list[tuple[str, str, str, Subject]] = []
    if user.password is None:
        requirement = f"{user.name} has no password set: locked, or what the image had; never an empty one"
        rows.append(("no-password", requirement, source, NoPasswordSet(user.name)))
    elif user.password_hashed:
        requirement = f"The password hash of {user.name} is the configuration's"
        rows.append(("hash", requirement, f"{source}.Password", ShadowFieldIs(user.name, user.password)))
    if user.password_expires_days is not None:
        days = user.password_expires_days
        requirement = f"The password of {user.name} " + (
            "never expires" if days == -1 else f"expires after {days} days"
        )
        key = f"{source}.PasswordExpiresDays"
        rows.append(("expiry", requirement, key, PasswordExpires(user.name, days)))
    for part, requirement, key, subject in rows:
        for place in places:
            yield Expectation(named("user", user.name, part), requirement, key, place, subject)
    if user.password is None or user.password_hashed:
        if in_machine:
            yield _refused(user.name, _WRONG_PASSWORDS[0], source)
    else:
        may_be_expired = user.password_expires_days is not None and user.password_expires_days >= 0
        login = PasswordLogsIn(user.name, user.password, may_be_expired, is_login_shell(user.startup_command))
        yield from expected_logins(login, f"{source}.Password", places)


def expected_logins(login: PasswordLogsIn, source: str, places: tuple[Place, ...]) -> Iterator[Expectation]:
    """The right password is taken; in the machine, a wrong one is refused."""
    for place in places:
        how = "logs in on the console" if place is Place.MACHINE else "fits the medium's shadow file"
        requirement = f"The password of {login.name} {how}"
        yield Expectation(named("user", login.name, "password"), requirement, source, place, login)
    if Place.MACHINE in places:
        secret = login.password.get_secret_value()
        yield _refused(login.name, next(w for w in _WRONG_PASSWORDS if w != secret), source)


def _refused(name: str, wrong_password: str, source: str) -> Expectation:
    subject = WrongPasswordRefused(name, wrong_password)
    requirement = f"A wrong password of {name} is refused on the console"
    return Expectation(named("user", name, "wrong-password"), requirement, source, Place.MACHINE, subject)


def is_login_shell(startup_command: str | None) -> bool:
    """Whether a session with this login shell field answers as a shell; None is the image's default."""
    return startup_command is None or PurePosixPath(startup_command.split(" ")[0]).name in _LOGIN_SHELLS
