"""Users: made and changed by the image's own useradd, usermod, chpasswd and chage."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from mic.config import Config, User
from mic.config.suggestion import near
from mic.config.tree import problem_at
from mic.customize.planned_tree import PlannedTree
from mic.errors import UserError, UserErrors
from mic.programs import ProgramFailed
from mic.rootfs.sandbox import Sandbox
from mic.tree import Tree

_SALT_CHARACTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SALT_LENGTH = 16


@dataclass(frozen=True)
class Account:
    """One line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


def accounts(rootfs: Tree | PlannedTree) -> dict[str, Account]:
    """The image's users by name; lines that are not of passwd(5)'s form are passed over."""
    found = {}
    for fields in _fields(rootfs, "/etc/passwd", 7):
        if fields[2].isdigit() and fields[3].isdigit():
            found[fields[0]] = Account(fields[0], int(fields[2]), int(fields[3]), fields[5])
    return found


def groups(rootfs: Tree | PlannedTree) -> frozenset[str]:
    """The names of the image's groups."""
    return frozenset(fields[0] for fields in _fields(rootfs, "/etc/group", 4))


def _fields(rootfs: Tree | PlannedTree, path: str, count: int) -> Iterator[list[str]]:
    for line in rootfs.read_text(path).splitlines():
        fields = line.split(":")
        if len(fields) == count:
            yield fields


def check(rootfs: Tree, config: Config) -> list[UserError]:
    """Groups and shells that the image does not have, and user ids that are another user's.

    A group or a shell that only packages to come may bring is not an error yet.
    """
    image = PlannedTree(rootfs, config.system_config.additional_files)
    may_come = config.system_config.packages.may_bring_more
    errors = [] if may_come else list(_missing(image, config))
    return [*errors, *_wrong_ids(image, config)]


def _missing(image: PlannedTree, config: Config) -> Iterator[UserError]:
    known = groups(image)
    for user in config.system_config.users:
        keys = {f"{user.key_path}.PrimaryGroup": user.primary_group}
        keys |= {f"{user.key_path}.SecondaryGroups[{n}]": group for n, group in enumerate(user.secondary_groups)}
        for key, group in keys.items():
            if group is not None and group not in known:
                yield config.problem(key, f"the image has no group {group}", _near(group, known))
        shell = user.startup_command
        if shell is not None and not image.is_file(shell):
            # login(1) takes the whole field for a path; with a shell that is not there, nobody gets in.
            key, message = f"{user.key_path}.StartupCommand", f"the image has no file {shell}"
            hint = "a path only, without arguments" if " " in shell else None
            yield config.problem(key, f"{message}: {user.name} could not log in", hint)


def _wrong_ids(image: PlannedTree, config: Config) -> Iterator[UserError]:
    existing = accounts(image)
    owners = {account.uid: account.name for account in existing.values()}
    for user in config.system_config.users:
        if user.uid is None:
            continue
        key, account = f"{user.key_path}.UID", existing.get(user.name)
        if account is not None and account.uid != user.uid:
            yield config.problem(key, f"{user.name} has the UID {account.uid} in the image, not {user.uid}")
        elif owners.setdefault(user.uid, user.name) != user.name and account is None:
            yield config.problem(key, f"the UID {user.uid} belongs to {owners[user.uid]}")


def _near(name: str, known: frozenset[str]) -> str:
    meant = near(name, known)
    return f"did you mean {meant}?" if meant else "create it in the image, or name another"


def apply(rootfs: Tree, sandbox: Sandbox, config: Config) -> None:
    """Makes or changes each user; raises `UserError` with the image's own words when a program refuses."""
    image = PlannedTree(rootfs)
    if errors := [*_missing(image, config), *_wrong_ids(image, config)]:
        raise UserErrors(errors)
    for user in config.system_config.users:
        try:
            _apply_one(rootfs, sandbox, user)
        except ProgramFailed as error:
            said = error.completed.complaint or f"exit code {error.completed.exit_code}"
            raise problem_at(user.position, user.key_path, f"{user.name} cannot be set up: {said}") from error
        except OSError as error:
            reason = (error.strerror or "error").lower()
            message = f"the keys of {user.name} cannot be written: {error.filename}: {reason}"
            raise problem_at(user.position, user.key_path, message) from error


def _apply_one(rootfs: Tree, sandbox: Sandbox, user: User) -> None:
    new = user.name not in accounts(rootfs)
    options = _options(rootfs, user, new=new)
    if new:
        sandbox.run("useradd", "-m", *options, user.name)
    elif options:
        sandbox.run("usermod", *options, user.name)
    if user.password is not None:
        text = user.password.get_secret_value()
        hashed = text if user.password_hashed else hash_password(text)
        sandbox.run("chpasswd", "-e", stdin=f"{user.name}:{hashed}\n".encode())
    if user.password_expires_days is not None:
        sandbox.run("chage", "-M", str(user.password_expires_days), user.name)
    if user.ssh_public_keys:
        _authorize(rootfs, accounts(rootfs)[user.name], user.ssh_public_keys)


def _options(rootfs: Tree, user: User, *, new: bool) -> list[str]:
    """The options that useradd and usermod share."""
    options: list[str] = []
    if new and user.uid is not None:
        options += ["-u", str(user.uid)]
    if user.primary_group is not None:
        options += ["-g", user.primary_group]
    elif new and user.name in groups(rootfs):
        # useradd makes a group of the user's name, and gives up where there is one.
        options += ["-g", user.name]
    if user.secondary_groups:
        options += [*(() if new else ("-a",)), "-G", ",".join(user.secondary_groups)]
    if user.startup_command is not None:
        options += ["-s", user.startup_command]
    return options


def _authorize(rootfs: Tree, account: Account, keys: Iterable[str]) -> None:
    """Appends to the authorized_keys of the home that /etc/passwd names; sshd wants 0700 and 0600 (sshd(8))."""
    home = PurePosixPath("/", account.home)
    directory = home / ".ssh"
    file = directory / "authorized_keys"
    for missing in (home, directory):
        if not rootfs.exists(missing):
            rootfs.make_directories(missing)
            rootfs.change_owner(missing, account.uid, account.gid)
    rootfs.change_owner(directory, account.uid, account.gid)
    rootfs.change_mode(directory, 0o700)
    before = rootfs.read_text(file)
    if before and not before.endswith("\n"):
        before += "\n"
    wanted = dict.fromkeys(key.strip() for key in keys)
    added = "".join(f"{key}\n" for key in wanted if key not in before.splitlines())
    rootfs.write(file, (before + added).encode(errors="surrogateescape"), mode=0o600)
    rootfs.change_owner(file, account.uid, account.gid)


def hash_password(password: str) -> str:
    """A SHA-512 crypt(5) hash with a fresh salt, from the host's libcrypt: nothing on a command line."""
    name = ctypes.util.find_library("crypt") or "libcrypt.so.1"
    library = ctypes.CDLL(name, use_errno=True)
    library.crypt.restype = ctypes.c_char_p
    salt = "".join(secrets.choice(_SALT_CHARACTERS) for _ in range(_SALT_LENGTH))
    result: bytes | None = library.crypt(password.encode(), f"$6${salt}".encode())
    if result is None or not result.startswith(b"$6$"):
        raise OSError(ctypes.get_errno(), f"crypt: {os.strerror(ctypes.get_errno())}")
    return result.decode()
