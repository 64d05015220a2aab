"""What cloud-init must have taken from the data that the configuration brings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verify.expectations.cloud_data import CloudUser, UserData
from verify.expectations.cloud_seed import CloudSeed
from verify.expectations.expectation import Expectation, Place, Subject, named
from verify.expectations.users import (
    PasswordLogsIn,
    UserExists,
    UserHasPrimaryGroup,
    UserHasShell,
    UserHasUid,
    UserIsMemberOf,
    expected_logins,
    is_login_shell,
)

IN_MACHINE = (Place.MACHINE,)


@dataclass(frozen=True)
class DatasourceIsNoCloud(Subject):
    """cloud-init is done, and took its data from NoCloud."""


@dataclass(frozen=True)
class InstanceIdIs(Subject):
    """The instance id of meta-data is the one in use."""

    instance_id: str


@dataclass(frozen=True)
class UserDataIs(Subject):
    """The user-data that cloud-init keeps has this SHA-256; its text may hold passwords and is not shown."""

    sha256: str


@dataclass(frozen=True)
class AddressRendered(Subject):
    """A static address of network-config is in the network configuration that cloud-init wrote."""

    address: str


def expected_of_cloud_init(seed: CloudSeed) -> Iterator[Expectation]:
    """Everything provable about `seed` but the host name, which `verify.expectations.host_name` decides."""

    def expected(name: str, requirement: str, subject: Subject) -> Expectation:
        return Expectation(named("cloud-init", name), requirement, seed.source, Place.MACHINE, subject)

    yield expected("datasource", "cloud-init is done and took NoCloud", DatasourceIsNoCloud())
    if seed.meta_data is not None and seed.meta_data.instance_id is not None:
        instance_id = seed.meta_data.instance_id
        yield expected("instance-id", f"The instance id is {instance_id}", InstanceIdIs(instance_id))
    if seed.user_data is not None:
        requirement = "cloud-init has exactly the configuration's user-data"
        yield expected("user-data", requirement, UserDataIs(seed.user_data.sha256))
    for address in seed.addresses:
        requirement = f"{address} of network-config is in the rendered network configuration"
        yield expected(f"address-{address.replace('::', ':0:')}", requirement, AddressRendered(address))


def expected_cloud_users(user_data: UserData, configured: frozenset[str]) -> Iterator[Expectation]:
    """The users of user-data; of those who are `configured` as well, only what cloud-init changes.

    For a user that exists cloud-init passes over uid, shell and groups (distros/__init__.py, add_user).
    """
    for user in user_data.users:
        if user.name not in configured:
            yield from _account(user)
        if user.password is not None:
            login = PasswordLogsIn(user.name, user.password, user.expired, is_login_shell(user.shell))
            yield from expected_logins(login, f"user-data, user {user.name}", IN_MACHINE)


def _account(user: CloudUser) -> Iterator[Expectation]:
    rows: list[tuple[str, str, Subject]] = [("exists", f"User {user.name} of user-data exists", UserExists(user.name))]
    if user.uid is not None:
        subject: Subject = UserHasUid(user.name, user.uid)
        rows.append(("uid", f"User {user.name} has the UID {user.uid}", subject))
    if user.shell is not None:
        rows.append(("shell", f"The login shell of {user.name} is {user.shell}", UserHasShell(user.name, user.shell)))
    if user.primary_group is not None:
        subject = UserHasPrimaryGroup(user.name, user.primary_group)
        rows.append(("primary-group", f"The primary group of {user.name} is {user.primary_group}", subject))
    for group in user.groups:
        subject = UserIsMemberOf(user.name, group)
        rows.append((f"group-{group}", f"User {user.name} is a member of {group}", subject))
    for part, requirement, subject in rows:
        yield Expectation(named("user", user.name, part), requirement, "user-data, users", Place.MACHINE, subject)


def taken_over(seed: CloudSeed | None) -> frozenset[str]:
    """The users whose password cloud-init sets or locks: every one that user-data names."""
    if seed is None or seed.user_data is None:
        return frozenset()
    return frozenset(user.name for user in seed.user_data.users)
