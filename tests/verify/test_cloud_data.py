"""cloud-init's files are read as far as they can be proven."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mic.config import Config
from tests.verify.conftest import EXAMPLE_1
from verify.expectations.cloud_data import read_meta_data, read_user_data, static_addresses
from verify.expectations.cloud_seed import seed_of
from verify.expectations.credentials import credentials_of

Configured = Callable[..., Config]


def user(text: str, name: str = "u") -> tuple[str | None, bool]:
    """Password and expiry of a user of user-data."""
    found = next(u for u in read_user_data(f"#cloud-config\n{text}".encode()).users if u.name == name)
    return (None if found.password is None else found.password.get_secret_value()), found.expired


@pytest.mark.parametrize(
    ("text", "password", "expired"),
    [
        ("users: [{name: u, plain_text_passwd: p, lock_passwd: false}]", "p", False),
        ("users: [{name: u, plain_text_passwd: p}]", None, False),
        ("users: [{name: u, plain_text_passwd: p, lock_passwd: true}]", None, False),
        ("users: [default, {name: u}]", None, False),
        ("chpasswd: {list: 'u:p'}", "p", True),
        ("chpasswd: {list: ['u:p:q'], expire: false}", "p:q", False),
        ("chpasswd: {list: 'u:RANDOM', expire: false}", None, False),
        ("chpasswd: {list: 'u:$6$salt$hash', expire: false}", None, False),
        ("chpasswd: {users: [{name: u, password: p, type: text}], expire: false}", "p", False),
        ("chpasswd: {users: [{name: u, password: p}], expire: false}", None, False),
        ("users: [{name: u, lock_passwd: true}]\nchpasswd: {list: 'u:p', expire: false}", "p", False),
    ],
)
def test_passwords_are_those_that_work_on_a_console(text: str, password: str | None, expired: bool) -> None:
    assert user(text) == (password, expired)


def test_groups_are_read_as_list_and_as_text() -> None:
    data = read_user_data(b"#cloud-config\nusers: [{name: a, groups: 'x, y'}, {name: b, groups: [z]}]\n")
    assert [u.groups for u in data.users] == [("x", "y"), ("z",)]


@pytest.mark.parametrize("text", ["#!/bin/sh\nusers: [{name: u}]\n", "#cloud-config\n[a\n", "#cloud-config\n- a\n"])
def test_what_is_no_cloud_config_has_a_digest_and_no_users(text: str) -> None:
    data = read_user_data(text.encode())
    assert len(data.sha256) == 64
    assert data.users == ()


def test_secrets_of_user_data_are_known_to_the_mask() -> None:
    data = read_user_data(
        b"#cloud-config\npassword: one\nusers: [{name: u, hashed_passwd: two}]\n"
        b"chpasswd: {list: 'u:three'}\nwrite_files: [{path: /x, content: four}]\n"
    )
    secrets = {secret.get_secret_value() for secret in data.secrets}
    assert {"one", "two", "three"} <= secrets
    assert "four" not in secrets


def test_meta_data_is_read() -> None:
    data = read_meta_data(b"instance-id: 7\nlocal-hostname: h\n")
    assert (data.instance_id, data.local_hostname) == ("7", "h")
    assert read_meta_data(b"").instance_id is None


def test_addresses_of_both_formats_are_found_without_name_servers_and_gateways() -> None:
    first = (
        b"network:\n  version: 1\n  config:\n  - type: physical\n    name: eth0\n    subnets:\n"
        b"    - {type: static, address: 192.0.2.7, netmask: 255.255.255.0, gateway: 192.0.2.1}\n"
        b"    - {type: dhcp}\n  - {type: nameserver, address: [192.0.2.53]}\n"
    )
    assert static_addresses(first) == ("192.0.2.7",)
    second = (
        b"version: 2\nethernets:\n  a:\n    addresses: [192.0.2.8/24, {2001:DB8:0::9/64: {label: x}}]\n"
        b"    gateway4: 192.0.2.1\n    nameservers: {addresses: [192.0.2.53]}\n"
    )
    assert static_addresses(second) == ("192.0.2.8", "2001:DB8:0::9")


SEED = "ds=nocloud;s=file://run/initramfs/live/cloud-init-data"


@pytest.mark.parametrize(
    "argument",
    [
        SEED,
        f"{SEED}/",
        "ds=nocloud;s=file:///run/initramfs/live/cloud-init-data/",
        "ds=nocloud-net;seedfrom=file:///run/initramfs/live/cloud-init-data",
        "ds=nocloud;s=/run/initramfs/live/cloud-init-data/",
        f"ds=nocloud;s=http://example/ {SEED}",
    ],
)
def test_seed_is_found_however_its_url_is_spelt(configured: Configured, argument: str) -> None:
    seed = seed_of(configured(EXAMPLE_1.replace(SEED, argument)))
    assert seed is not None
    assert seed.user_data is not None
    assert seed.meta_data is not None
    assert seed.addresses


@pytest.mark.parametrize("argument", ["quiet", "ds=nocloud;s=http://example/", "ds=none", "ds=nocloud;s=file:///x"])
def test_nothing_is_expected_of_a_seed_that_is_not_the_configurations(configured: Configured, argument: str) -> None:
    assert seed_of(configured(EXAMPLE_1.replace(SEED, argument))) is None


def test_default_seed_directory_is_found(configured: Configured) -> None:
    config = configured(
        "Iso:\n  KernelCommandLine: ds=nocloud\nSystemConfig:\n  AdditionalFiles:\n"
        "    cloud-init-data/meta-data: /var/lib/cloud/seed/nocloud/meta-data\n"
    )
    seed = seed_of(config)
    assert seed is not None
    assert seed.meta_data is not None
    assert seed.meta_data.instance_id == "iid-example"


def test_instance_id_of_the_argument_wins(configured: Configured) -> None:
    seed = seed_of(configured(EXAMPLE_1.replace(SEED, f"{SEED};i=from-line")))
    assert seed is not None
    assert seed.meta_data is not None
    assert seed.meta_data.instance_id == "from-line"


def test_credentials_name_those_who_may_become_root_first(configured: Configured) -> None:
    config = configured(
        "SystemConfig:\n  Users:\n"
        "  - {Name: plain, Password: a}\n"
        "  - {Name: shellless, Password: a, StartupCommand: /usr/sbin/nologin, PrimaryGroup: sudo}\n"
        "  - {Name: expired, Password: a, PasswordExpiresDays: 0, PrimaryGroup: sudo}\n"
        "  - {Name: locked, PrimaryGroup: sudo}\n"
        "  - {Name: admin, Password: b, SecondaryGroups: [wheel]}\n"
    )
    assert [c.user for c in credentials_of(config, None)] == ["admin", "plain"]


def test_credentials_of_cloud_init_come_with_its_users(configured: Configured) -> None:
    config = configured(EXAMPLE_1)
    found = credentials_of(config, seed_of(config))
    assert [(c.user, c.by_cloud_init) for c in found] == [("test", False), ("clouduser", True)]
