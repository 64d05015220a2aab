"""Promises about every kind of file that a configuration names: where it is looked for, and how much is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mic.config import Config

from .conftest import Complaints, Read

NAMES_ALL = """\
Iso: {AdditionalFiles: {%ssub/file: /a}}
SystemConfig:
  AdditionalFiles: {%ssub/file: /a}
  PackageListsInstall: [%ssub/list]
  PackageListsRemove: [%ssub/list]
  PackageListsUpdate: [%ssub/list]
  PostInstallScripts: [{Path: %ssub/script}]
  FinalizeImageScripts: [{Path: %ssub/script}]
  Users: [{Name: a, PasswordPath: %ssub/file, SSHPubKeyPaths: [%ssub/file]}]
"""


@pytest.fixture
def named(directory: Path) -> Path:
    """The directory with the files that NAMES_ALL names."""
    (directory / "sub").mkdir()
    (directory / "sub/file").write_text("content\n")
    (directory / "sub/list").write_text("Packages: [p]\n")
    (directory / "sub/script").touch(mode=0o755)
    return directory


def assert_all_are_found(config: Config, directory: Path) -> None:
    system = config.system_config
    user, packages = system.users[0], system.packages
    assert user.password is not None
    assert (user.password.get_secret_value(), user.ssh_public_keys) == ("content", ("content",))
    assert [p.name for p in (*packages.install, *packages.remove, *packages.update)] == ["p", "p", "p"]
    scripts = (*system.post_install_scripts, *system.finalize_image_scripts)
    assert [script.file.resolve() for script in scripts] == [directory / "sub/script"] * 2
    sources = (*config.iso.additional_files, *system.additional_files)
    assert [file.source.resolve() for file in sources] == [directory / "sub/file"] * 2


@pytest.mark.parametrize("before", ["", "./", "sub/../", "/absolute/"])
def test_relative_paths_are_below_the_directory_of_the_configuration_and_absolute_ones_are_absolute(
    read: Read, named: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.chdir("/")
    prefix = before.replace("/absolute", str(named))
    config = read(NAMES_ALL.replace("%s", prefix))
    assert_all_are_found(config, named)


def test_every_file_that_is_missing_is_told_at_its_place(complaints: Complaints) -> None:
    assert [complaint.split(": ")[1] for complaint in complaints(NAMES_ALL.replace("%s", ""))] == [
        'Iso.AdditionalFiles["sub/file"]',
        'SystemConfig.AdditionalFiles["sub/file"]',
        "SystemConfig.PackageListsInstall[0]",
        "SystemConfig.PackageListsRemove[0]",
        "SystemConfig.PackageListsUpdate[0]",
        "SystemConfig.PostInstallScripts[0].Path",
        "SystemConfig.FinalizeImageScripts[0].Path",
        "SystemConfig.Users[0].PasswordPath",
        "SystemConfig.Users[0].SSHPubKeyPaths[0]",
    ]


def test_file_named_twice_is_there_twice_and_its_errors_are_told_once(
    read: Read, complaints: Complaints, named: Path
) -> None:
    text = "SystemConfig:\n  PackageListsInstall: [sub/list, sub/list]\n  Users:\n" + "".join(
        f"  - {{Name: {name}, SSHPubKeyPaths: [sub/file]}}\n" for name in "ab"
    )
    system = read(text).system_config
    assert [package.name for package in system.packages.install] == ["p", "p"]
    assert [user.ssh_public_keys for user in system.users] == [("content",)] * 2
    (named / "sub/list").write_text("Packages: [-p]\n")
    (named / "sub/file").write_text("")
    assert complaints(text) == [
        "4:32: SystemConfig.Users[0].SSHPubKeyPaths[0]: the file is empty",
        "sub/list:1:12: Packages[0]: begins with -, as only an option does",
    ]


def test_files_to_read_have_bounds_together(complaints: Complaints, directory: Path) -> None:
    for name in "abc":
        (directory / name).write_text("# comment\n" * 100_000 + "Packages: []\n")
    assert complaints("SystemConfig: {PackageListsInstall: [a, b, c], PackagesInstall: ['']}") == [
        "1:44: SystemConfig.PackageListsInstall[2]: the files to read up to here hold more than 2 MiB together",
        "1:66: SystemConfig.PackagesInstall[0]: is empty",
    ]
