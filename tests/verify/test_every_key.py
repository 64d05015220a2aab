"""No key of the configuration is without a check in the booted machine, but for those that are named here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest

from mic.config import load_config
from mic.config.config_section import ConfigSection
from mic.config.section import Section
from tests.verify.conftest import WriteConfig
from verify.audit import Audit
from verify.audit.facts import BootFacts, LiveSystemFacts
from verify.checks.catalogue import in_machine
from verify.expectations.derive import expectations_of
from verify.expectations.expectation import Expectation, Place
from verify.machine.firmware import Firmware

AUDIT = Audit(Path("x.iso"), 0, "", "LABEL", BootFacts(), LiveSystemFacts(), (), (), (), 0.0)
HASH = "$6$saltsalt$" + "h" * 86
FOR_DISKS = "for an output that is a disk; mic build refuses it for an ISO, so that no medium can have it"
OF_SCRIPT = "what a script makes of its arguments is known to a scenario alone, which names a command for it"
# Keys that nothing in a booted live medium can prove, and why.
EXCEPTIONS = {
    "Disks": FOR_DISKS,
    "SystemConfig.BootType": FOR_DISKS,
    "SystemConfig.PartitionSettings": FOR_DISKS,
    "SystemConfig.Verity": FOR_DISKS,
    "Iso.KernelCommandLine.SELinux": "refused by the contract itself",
    "SystemConfig.PostInstallScripts.Args": OF_SCRIPT,
    "SystemConfig.FinalizeImageScripts.Args": OF_SCRIPT,
}
# A configuration with the key, and the id of a check that it adds in the machine.
USER = "SystemConfig: {{Users: [{{Name: u{more}}}]}}"
KEYS = {
    "Iso.KernelCommandLine.ExtraCommandLine": ("Iso: {KernelCommandLine: a=1}", "kernel-arguments.asked"),
    "Iso.AdditionalFiles.Path": ("Iso: {AdditionalFiles: {file: {Path: /f}}}", "file.iso./f"),
    "Iso.AdditionalFiles.Permissions": (
        "Iso: {AdditionalFiles: {file: {Path: /f, Permissions: '600'}}}",
        "file.iso./f",
    ),
    "SystemConfig.Hostname": ("SystemConfig: {Hostname: h}", "host-name.name"),
    "SystemConfig.UpdateBaseImagePackages": (
        "SystemConfig: {UpdateBaseImagePackages: true}",
        "package.none-half-done",
    ),
    "SystemConfig.PackagesInstall": ("SystemConfig: {PackagesInstall: [p]}", "package.p.installed"),
    "SystemConfig.PackagesRemove": ("SystemConfig: {PackagesRemove: [p]}", "package.p.absent"),
    "SystemConfig.PackagesUpdate": ("SystemConfig: {PackagesUpdate: [p]}", "package.p.installed"),
    "SystemConfig.PackageListsInstall": ("SystemConfig: {PackageListsInstall: [list]}", "package.listed.installed"),
    "SystemConfig.PackageListsRemove": ("SystemConfig: {PackageListsRemove: [list]}", "package.listed.absent"),
    "SystemConfig.PackageListsUpdate": ("SystemConfig: {PackageListsUpdate: [list]}", "package.listed.installed"),
    "SystemConfig.KernelCommandLine.ExtraCommandLine": (
        "SystemConfig: {KernelCommandLine: {ExtraCommandLine: a=1}}",
        "kernel-arguments.asked",
    ),
    "SystemConfig.KernelCommandLine.SELinux": ("SystemConfig: {KernelCommandLine: {SELinux: disabled}}", "selinux"),
    "SystemConfig.AdditionalFiles.Path": ("SystemConfig: {AdditionalFiles: {file: {Path: /f}}}", "file.rootfs./f"),
    "SystemConfig.AdditionalFiles.Permissions": (
        "SystemConfig: {AdditionalFiles: {file: {Path: /f, Permissions: '600'}}}",
        "file.rootfs./f",
    ),
    "SystemConfig.PostInstallScripts.Path": (
        "SystemConfig: {PostInstallScripts: [{Path: script.sh}]}",
        "scripts.directory-gone",
    ),
    "SystemConfig.FinalizeImageScripts.Path": (
        "SystemConfig: {FinalizeImageScripts: [{Path: script.sh}]}",
        "scripts.directory-gone",
    ),
    "SystemConfig.Users.Name": (USER.format(more=""), "user.u.exists"),
    "SystemConfig.Users.UID": (USER.format(more=", UID: 1234"), "user.u.uid"),
    "SystemConfig.Users.Password": (USER.format(more=", Password: p"), "user.u.password"),
    "SystemConfig.Users.PasswordPath": (USER.format(more=", PasswordPath: password"), "user.u.password"),
    "SystemConfig.Users.PasswordHashed": (
        USER.format(more=f", Password: '{HASH}', PasswordHashed: true"),
        "user.u.hash",
    ),
    "SystemConfig.Users.PasswordExpiresDays": (USER.format(more=", PasswordExpiresDays: 9"), "user.u.expiry"),
    "SystemConfig.Users.SSHPubKeyPaths": (USER.format(more=", SSHPubKeyPaths: [key]"), "user.u.keys"),
    "SystemConfig.Users.SSHPubKeys": (USER.format(more=", SSHPubKeys: ['ssh-ed25519 AAAA a']"), "user.u.keys"),
    "SystemConfig.Users.PrimaryGroup": (USER.format(more=", PrimaryGroup: g"), "user.u.primary-group"),
    "SystemConfig.Users.SecondaryGroups": (USER.format(more=", SecondaryGroups: [g]"), "user.u.group-g"),
    "SystemConfig.Users.StartupCommand": (USER.format(more=", StartupCommand: /bin/sh"), "user.u.shell"),
    "SystemConfig.Services.Enable.Name": ("SystemConfig: {Services: {Enable: [{Name: s}]}}", "unit.s.service.enabled"),
    "SystemConfig.Services.Disable.Name": (
        "SystemConfig: {Services: {Disable: [{Name: s}]}}",
        "unit.s.service.disabled",
    ),
    "SystemConfig.Modules.Load.Name": ("SystemConfig: {Modules: {Load: [{Name: m}]}}", "module.m.loaded"),
    "SystemConfig.Modules.Disable.Name": ("SystemConfig: {Modules: {Disable: [{Name: m}]}}", "module.m.kept-out"),
}

Derived = Callable[[str], tuple[Expectation, ...]]


def keys_of(section: type[Section], path: str = "") -> Iterator[str]:
    """The key paths of a section and of those in it; Iso.SystemConfig is the same as SystemConfig."""
    for field in section.model_fields.values():
        name = f"{path}.{field.alias}".lstrip(".")
        inner = list(sections_in(field.annotation))
        if name == "Iso.SystemConfig":
            continue
        if name in EXCEPTIONS or not inner:
            yield name
            continue
        for kind in inner:
            yield from keys_of(kind, name)


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, Annotated, tuple, dict):
        for argument in get_args(annotation):
            yield from sections_in(argument)


@pytest.fixture
def machine(write_config: WriteConfig, tmp_path: Path) -> Derived:
    for name, text in (
        ("file", "x"),
        ("list", "Packages: [listed]\n"),
        ("password", "p\n"),
        ("key", "ssh-ed25519 AAAA a\n"),
        ("script.sh", "#!/bin/sh\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def derived(text: str) -> tuple[Expectation, ...]:
        expectations = expectations_of(load_config(write_config(text)), AUDIT, tuple(Firmware))
        return tuple(e for e in expectations if e.place is Place.MACHINE)

    return derived


def test_every_key_of_the_models_is_in_one_of_the_tables() -> None:
    assert set(keys_of(ConfigSection)) == EXCEPTIONS.keys() | KEYS.keys()
    assert not EXCEPTIONS.keys() & KEYS.keys()


@pytest.mark.parametrize("key", KEYS)
def test_every_key_adds_a_check_in_the_machine(machine: Derived, key: str) -> None:
    text, id = KEYS[key]
    (found,) = (e for e in machine(text) if e.id == id)
    assert type(found.subject) in in_machine
    assert id not in {e.id for e in machine("{}")}
