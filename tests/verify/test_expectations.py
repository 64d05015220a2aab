"""Each thing a configuration asks for becomes an expectation; nothing else does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from mic.config import Config
from mic.kernel_arguments import KernelArguments
from tests.verify.conftest import EXAMPLE_1, EXAMPLE_2, META_DATA, USER_DATA
from verify.audit import CLOUD_ASPECTS, Aspect, Audit
from verify.audit.facts import BootFacts, LiveSystemFacts
from verify.checks.catalogue import in_machine, on_medium
from verify.expectations.audited import AuditedAspect
from verify.expectations.cloud_init import AddressRendered, DatasourceIsNoCloud, InstanceIdIs, UserDataIs
from verify.expectations.derive import expectations_of
from verify.expectations.expectation import Expectation, Place, Subject
from verify.expectations.extras import CommandShows, Extra
from verify.expectations.files import FileInRootfs, FileOnMedium
from verify.expectations.host_name import HostNameIs, HostsLineNames
from verify.expectations.kernel_line import ArgumentsAtTheEnd, RootArgument
from verify.expectations.live import Boots, MediumMounted, NoDiskWritten, OtherDisksUntouched
from verify.expectations.users import (
    KeysAuthorized,
    NoPasswordSet,
    PasswordExpires,
    PasswordLogsIn,
    ShadowFieldIs,
    SshLetsIn,
    UserExists,
    UserHasPrimaryGroup,
    UserHasShell,
    UserHasUid,
    UserIsMemberOf,
    WrongPasswordRefused,
)
from verify.machine.firmware import Firmware

Configured = Callable[..., Config]
LABEL = "MIC_TEST"
AUDIT = Audit(Path("x.iso"), 0, "", LABEL, BootFacts(), LiveSystemFacts(), (), (), (), 0.0)
FIRMWARES = (Firmware.UEFI, Firmware.BIOS)
HASH = "$6$saltsalt$" + "h" * 86


def derived(config: Config) -> tuple[Expectation, ...]:
    return expectations_of(config, AUDIT, FIRMWARES)


def subjects(config: Config, place: Place) -> list[Subject]:
    return [e.subject for e in derived(config) if e.place is place]


@pytest.mark.parametrize("example", [EXAMPLE_1, EXAMPLE_2])
def test_examples_of_the_document_ask_for_all_they_say(configured: Configured, example: str) -> None:
    config = configured(example)
    machine = subjects(config, Place.MACHINE)
    assert UserExists("test") in machine
    assert UserHasPrimaryGroup("test", "sudo") in machine
    (login,) = [s for s in machine if isinstance(s, PasswordLogsIn) and s.name == "test"]
    assert login.password.get_secret_value() == "testpassword"
    assert any(isinstance(s, WrongPasswordRefused) and s.name == "test" for s in machine)
    assert ArgumentsAtTheEnd(config.kernel_arguments) in machine
    assert DatasourceIsNoCloud() in machine
    assert InstanceIdIs("iid-example") in machine
    assert UserDataIs(hashlib.sha256(USER_DATA.encode()).hexdigest()) in machine
    assert AddressRendered("192.0.2.10") in machine
    assert AddressRendered("2001:db8::5") in machine
    assert AddressRendered("192.0.2.53") not in machine
    assert HostNameIs(("live-example",)) in machine
    assert UserIsMemberOf("clouduser", "adm") in machine
    assert UserHasShell("clouduser", "/bin/bash") in machine
    (cloud_login,) = [s for s in machine if isinstance(s, PasswordLogsIn) and s.name == "clouduser"]
    assert cloud_login.password.get_secret_value() == "cloud-secret"


def test_files_are_expected_where_their_section_puts_them(configured: Configured) -> None:
    on_iso = configured(EXAMPLE_1)
    digest = hashlib.sha256(META_DATA.encode()).hexdigest()
    for place in Place:
        files = {s.path: s for s in subjects(on_iso, place) if isinstance(s, FileOnMedium)}
        file = files[PurePosixPath("/cloud-init-data/meta-data")].digest
        assert (file.sha256, file.size, file.mode) == (digest, len(META_DATA), 0o644)
        assert len(files) == 3
        assert not any(isinstance(s, FileInRootfs) for s in subjects(on_iso, place))
    in_rootfs = configured(EXAMPLE_2)
    for place in Place:
        assert sum(isinstance(s, FileInRootfs) for s in subjects(in_rootfs, place)) == 3
        assert not any(isinstance(s, FileOnMedium) for s in subjects(in_rootfs, place))


def test_permissions_of_the_configuration_win_over_the_source_files(configured: Configured) -> None:
    config = configured(
        "SystemConfig:\n  AdditionalFiles:\n    cloud-init-data/user-data: {Path: /x, Permissions: '600'}\n"
    )
    (file,) = [s for s in subjects(config, Place.MACHINE) if isinstance(s, FileInRootfs)]
    assert file.digest.mode == 0o600


def test_every_key_of_a_user_is_expected(configured: Configured) -> None:
    config = configured(
        "SystemConfig:\n  Users:\n  - Name: all\n    UID: 1234\n"
        f"    Password: {HASH}\n    PasswordHashed: true\n    PasswordExpiresDays: 30\n"
        "    SSHPubKeys: ['ssh-ed25519 AAAA a']\n    PrimaryGroup: users\n"
        "    SecondaryGroups: [adm, sudo]\n    StartupCommand: /bin/zsh\n"
        "  - Name: none\n"
    )
    machine, medium = subjects(config, Place.MACHINE), subjects(config, Place.MEDIUM)
    hashed = next(s for s in machine if isinstance(s, ShadowFieldIs))
    assert hashed.hashed.get_secret_value() == HASH
    for subject in (
        UserHasUid("all", 1234),
        UserHasPrimaryGroup("all", "users"),
        UserIsMemberOf("all", "adm"),
        UserIsMemberOf("all", "sudo"),
        UserHasShell("all", "/bin/zsh"),
        PasswordExpires("all", 30),
        hashed,
        NoPasswordSet("none"),
    ):
        assert subject in machine
        assert subject in medium
    assert KeysAuthorized("all", ("ssh-ed25519 AAAA a",)) in machine
    assert SshLetsIn("all", ("ssh-ed25519 AAAA a",)) in machine
    assert [s.name for s in machine if isinstance(s, WrongPasswordRefused)] == ["all", "none"]
    assert not any(isinstance(s, PasswordLogsIn) for s in machine)


def test_no_secret_is_in_the_text_of_an_expectation(configured: Configured) -> None:
    config = configured(EXAMPLE_1 + f"  - Name: h\n    Password: {HASH}\n    PasswordHashed: true\n")
    text = repr(derived(config))
    for secret in ("testpassword", "cloud-secret", HASH):
        assert secret not in text


def test_live_promises_are_expected_of_an_empty_configuration(configured: Configured) -> None:
    config = configured("{}\n")
    medium, machine = subjects(config, Place.MEDIUM), subjects(config, Place.MACHINE)
    aspects = {subject.aspect for subject in medium if isinstance(subject, AuditedAspect)}
    assert aspects == set(Aspect) - {Aspect.CHECKSUM} - CLOUD_ASPECTS
    assert machine[0] == Boots()
    assert MediumMounted(LABEL) in machine
    assert RootArgument(LABEL, KernelArguments()) in machine
    assert not any(isinstance(s, ArgumentsAtTheEnd | DatasourceIsNoCloud | HostNameIs) for s in machine)


def test_console_logins_come_last(configured: Configured) -> None:
    *machine, written, compared = subjects(configured(EXAMPLE_1), Place.MACHINE)
    assert (written, compared) == (NoDiskWritten(), OtherDisksUntouched())
    logins = [isinstance(s, PasswordLogsIn | WrongPasswordRefused) for s in machine]
    assert logins == sorted(logins)
    assert sum(logins) == 4


def test_every_expectation_has_a_check_and_an_id_of_its_own(configured: Configured) -> None:
    config = configured(
        EXAMPLE_1 + "    UID: 1500\n    SecondaryGroups: [adm]\n    StartupCommand: /bin/sh\n"
        "    PasswordExpiresDays: 9\n    SSHPubKeys: ['ssh-ed25519 AAAA a']\n  - Name: none\n"
        f"  - Name: hashed\n    Password: {HASH}\n    PasswordHashed: true\n"
        "  Hostname: h\n  AdditionalFiles:\n    cloud-init-data/user-data: /a::b\n"
    )
    extra = Extra("one", "One", CommandShows("true"))
    expectations = expectations_of(config, AUDIT, FIRMWARES, [extra])
    ids = [(e.place, e.id) for e in expectations]
    assert len(set(ids)) == len(ids)
    for expectation in expectations:
        registry = in_machine if expectation.place is Place.MACHINE else on_medium
        assert type(expectation.subject) in registry, expectation
    assert any(e.subject == extra.shows for e in expectations)


def test_two_subjects_that_share_an_id_are_both_kept(configured: Configured) -> None:
    config = configured("SystemConfig:\n  AdditionalFiles:\n    cloud-init-data/user-data: ['/a::b', '/a:_b']\n")
    paths = {s.path for s in subjects(config, Place.MACHINE) if isinstance(s, FileInRootfs)}
    assert paths == {PurePosixPath("/a::b"), PurePosixPath("/a:_b")}


HOSTNAME = "SystemConfig:\n  Hostname: configured\n"


@pytest.mark.parametrize(
    ("user_data", "meta_data", "arguments", "names"),
    [
        ("#cloud-config\n{}\n", "instance-id: i\n", "", ("configured",)),
        ("#cloud-config\n{}\n", "local-hostname: meta\n", "", ("meta",)),
        ("#cloud-config\nhostname: user\n", "local-hostname: meta\n", "", ("user",)),
        ("#cloud-config\nfqdn: user.example\n", "local-hostname: meta\n", "", ("user", "user.example")),
        ("#cloud-config\npreserve_hostname: true\n", "local-hostname: meta\n", "", ("configured",)),
        ("#cloud-config\n{}\n", "local-hostname: meta.example\n", "", ("meta", "meta.example")),
        ("#cloud-config\n{}\n", "local-hostname: meta\n", ";h=line", ("line",)),
        ("#cloud-config\nhostname: user\n", "local-hostname: meta\n", ";h=line", ("user",)),
    ],
)
def test_host_name_is_the_winners(
    configured: Configured, user_data: str, meta_data: str, arguments: str, names: tuple[str, ...]
) -> None:
    text = EXAMPLE_1.replace("/cloud-init-data\nSystem", f"/cloud-init-data{arguments}\nSystem")
    config = configured(f"{text}  Hostname: configured\n", user_data=user_data, meta_data=meta_data)
    found = [s for s in subjects(config, Place.MACHINE) if isinstance(s, HostNameIs)]
    assert found == [HostNameIs(names)]
    assert [s for s in subjects(config, Place.MEDIUM) if isinstance(s, HostNameIs)] == [HostNameIs(("configured",))]
    hosts = [s for s in subjects(config, Place.MACHINE) if isinstance(s, HostsLineNames)]
    assert hosts == [HostsLineNames(tuple(dict.fromkeys(("configured", *names))))]


def test_password_that_cloud_init_takes_over_is_not_expected_in_the_machine(configured: Configured) -> None:
    user_data = "#cloud-config\nusers:\n- name: test\n"
    config = configured(EXAMPLE_1, user_data=user_data)
    assert not any(isinstance(s, PasswordLogsIn) for s in subjects(config, Place.MACHINE))
    assert any(isinstance(s, PasswordLogsIn) for s in subjects(config, Place.MEDIUM))
    assert UserExists("test") in subjects(config, Place.MACHINE)
