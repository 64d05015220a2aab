"""Promises about the operating system's other keys, and about what an ISO refuses."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from mic.config import (
    Named,
    check_config,
    load_config_for_iso,
)
from mic.errors import UserError, UserErrors

from .conftest import Complaints, Read
from .test_disks import DISK


def names(found: tuple[Named, ...]) -> list[str]:
    return [named.name for named in found]


@pytest.mark.parametrize("name", ["a", "A-B", "1", "a.b.c", "1.2.3.4.5", "x" * 63, ".".join(["x" * 63] * 4), "123"])
def test_dns_names_are_host_names(read: Read, name: str) -> None:
    assert read(f"SystemConfig: {{Hostname: {name}}}").system_config.hostname == name


@pytest.mark.parametrize(
    "name",
    [
        "-a",
        "a-",
        "a_b",
        "a..b",
        ".a",
        "a.",
        "1.2.3.4",
        "'::1'",
        "é",
        "a b",
        "x" * 64,
        ".".join(["x" * 61] * 4 + ["y" * 8]),
        "' '",
    ],
)
def test_other_texts_are_not(complaints: Complaints, name: str) -> None:
    (complaint,) = complaints(f"SystemConfig: {{Hostname: {name}}}")
    assert complaint.startswith("1:26: SystemConfig.Hostname: ")


def test_empty_host_name_changes_nothing(read: Read) -> None:
    assert read("SystemConfig: {Hostname: ''}").system_config.hostname is None


def test_system_config_below_iso_is_the_same(read: Read) -> None:
    text = "SystemConfig: {Hostname: a, Users: [{Name: b}]}"
    below, above = read(f"Iso: {{{text}}}").system_config, read(text).system_config
    assert (below.hostname, below.users[0].name) == (above.hostname, above.users[0].name) == ("a", "b")
    assert below.users[0].key_path == "Iso.SystemConfig.Users[0]"


def test_system_config_in_both_places_is_an_error(complaints: Complaints) -> None:
    assert complaints("Iso:\n  SystemConfig: {}\nSystemConfig: {}\n") == [
        "2:17: Iso.SystemConfig: cannot be given together with the SystemConfig at the top level "
        "(put everything into one of them)"
    ]


def test_both_system_configs_are_read_for_errors(complaints: Complaints) -> None:
    assert len(complaints("Iso:\n  SystemConfig: {Hostname: _}\nSystemConfig: {Hostname: _}\n")) == 3


def test_null_in_one_of_the_places_is_no_system_config(read: Read) -> None:
    assert read("Iso: {SystemConfig: }\nSystemConfig: {Hostname: a}\n").system_config.hostname == "a"


def test_packages_come_from_lists_first_each_with_its_place(read: Read, directory: Path) -> None:
    (directory / "list.yaml").write_text("Packages:\n- c\n- d\n")
    (directory / "list.json").write_text('{"Packages": ["e"]}')
    packages = read(
        "SystemConfig:\n  UpdateBaseImagePackages: yes\n  PackagesInstall: [a, b]\n"
        "  PackageListsInstall: [list.yaml, list.json]\n  PackagesRemove: [f]\n  PackageListsUpdate: [list.json]\n"
    ).system_config.packages
    assert names(packages.install) == ["c", "d", "e", "a", "b"]
    assert (names(packages.remove), names(packages.update), packages.update_base_image) == (["f"], ["e"], True)
    assert str(packages.install[1].position) == f"{directory}/list.yaml:3:3"
    assert str(packages.install[4].position) == f"{directory}/c.yaml:3:24"


@pytest.mark.parametrize(
    ("package", "complaint"),
    [("''", "is empty"), ("-y", "begins with -"), ('"a\\nb"', "holds a line break"), ("[a]", "must be text")],
)
@pytest.mark.parametrize("key", ["PackagesInstall", "PackagesRemove", "PackagesUpdate"])
def test_what_is_no_package_is_refused(complaints: Complaints, key: str, package: str, complaint: str) -> None:
    (found,) = complaints(f"SystemConfig: {{{key}: [{package}]}}")
    assert f": SystemConfig.{key}[0]: {complaint}" in found


def test_errors_of_package_lists_are_told_with_their_places_there(complaints: Complaints, directory: Path) -> None:
    (directory / "list.yaml").write_text("Packages:\n- -a\n")
    (directory / "broken.yaml").write_text("Packages: [\n")
    (directory / "none.yaml").write_text("{}")
    (directory / "large.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    assert complaints(
        "SystemConfig:\n  PackageListsRemove: [list.yaml, broken.yaml, none.yaml, large.yaml, missing, '', .]\n"
        "  Hostname: _\n"
    ) == [
        "2:59: SystemConfig.PackageListsRemove[3]: large.yaml: is larger than 1 MiB (is this a configuration file?)",
        f"2:71: SystemConfig.PackageListsRemove[4]: missing: no such file (paths are relative to {directory})",
        "2:80: SystemConfig.PackageListsRemove[5]: is empty",
        "2:84: SystemConfig.PackageListsRemove[6]: .: is a directory, not a regular file",
        "3:13: SystemConfig.Hostname: is not a valid host name (labels of 1 to 63 letters, digits and hyphens, "
        "no hyphen first or last, with dots between them)",
        "broken.yaml:2:1: a value is missing",
        "list.yaml:2:3: Packages[0]: begins with -, as only an option does",
        "none.yaml:1:1: Packages: is required, but missing",
    ]


def test_services_and_modules_are_names_or_maps_with_a_name(read: Read) -> None:
    system = read(
        "SystemConfig:\n  Services: {Enable: [a, {Name: b.timer}], Disable: [{Name: c}]}\n"
        "  Modules: {Load: [{Name: d}, e], Disable: [f]}\n"
    ).system_config
    assert (names(system.services.enable), names(system.services.disable)) == (["a", "b.timer"], ["c"])
    assert (names(system.modules.load), names(system.modules.disable)) == (["d", "e"], ["f"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Services: {Enable: [a], Disable: [a]}", "Services.Disable[0]: is in Enable too"),
        ("Modules: {Load: [a-b], Disable: [{Name: a_b}]}", "Modules.Disable[0].Name: is in Load too"),
        ("Services: {Enable: [-a]}", "Services.Enable[0]: begins with -, as only an option does"),
        ("Services: {Enable: [a b]}", "Services.Enable[0]: is not a valid name of a unit: no spaces, no '/'"),
        ("Modules: {Load: [a/b]}", "Modules.Load[0]: is not a valid name of a module: no spaces, no '/'"),
        ("Services: {Enabel: [a]}", "Services.Enabel: unknown key (did you mean Enable?)"),
        ("Modules: {Laod: [a]}", "Modules.Laod: unknown key (did you mean Load?)"),
        ("Modules: {Load: [{}]}", "Modules.Load[0].Name: is required, but missing"),
        ("Modules: {Load: [{Name: }]}", "Modules.Load[0].Name: is required, but is empty"),
    ],
)
def test_services_and_modules_that_cannot_be_are_refused(complaints: Complaints, text: str, complaint: str) -> None:
    (found,) = complaints(f"SystemConfig: {{{text}}}")
    assert found.endswith(f": SystemConfig.{complaint}")


def test_scripts_are_found_below_the_directory(read: Read, directory: Path) -> None:
    (directory / "sub").mkdir()
    (directory / "sub/a.sh").touch(mode=0o755)
    system = read(
        f"SystemConfig:\n  PostInstallScripts: [{{Path: sub/../sub/a.sh, Args: -x 'a b'}}]\n"
        f"  FinalizeImageScripts: [{{Path: {directory}/sub/a.sh}}]\n"
    ).system_config
    (post,), (final,) = system.post_install_scripts, system.finalize_image_scripts
    assert (post.path, post.arguments) == (PurePosixPath("sub/a.sh"), "-x 'a b'")
    assert (final.path, final.file, final.arguments) == (PurePosixPath("sub/a.sh"), directory / "sub/a.sh", "")


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("a.txt", "is not executable"),
        ("missing", "missing: no such file"),
        (".", ".: is a directory, not a regular file"),
        ("/bin/true", "is outside"),
        ("../outside.sh", "is outside"),
        ("link", "is outside"),
        ("''", "is empty"),
    ],
)
@pytest.mark.parametrize("key", ["PostInstallScripts", "FinalizeImageScripts"])
def test_scripts_that_cannot_be_run_are_refused(
    complaints: Complaints, directory: Path, key: str, path: str, complaint: str
) -> None:
    outside = directory.parent / "outside.sh"
    outside.touch(mode=0o755)
    (directory / "link").symlink_to(outside)
    (found,) = complaints(f"SystemConfig:\n  {key}:\n  - Path: {path}\n")
    assert found.startswith(f"3:11: SystemConfig.{key}[0].Path: {complaint}")


SUPPORTED = """\
Iso:
  KernelCommandLine: a=b
  AdditionalFiles: {a.txt: /a}
SystemConfig:
  Hostname: h
  KernelCommandLine: {ExtraCommandLine: c, SELinux: disabled}
  AdditionalFiles: {a.txt: /a}
  PackagesInstall: [a]
  PackagesRemove: [a]
  PackagesUpdate: [a]
  UpdateBaseImagePackages: yes
  Services: {Enable: [a], Disable: [b]}
  Modules: {Load: [a], Disable: [b]}
  PostInstallScripts: [{Path: a.sh}]
  FinalizeImageScripts: [{Path: a.sh, Args: b}]
  Users:
  - {Name: a, UID: 1000, Password: x, PrimaryGroup: g, SecondaryGroups: [h], StartupCommand: /bin/sh,
     SSHPubKeys: [k], PasswordExpiresDays: 1}
"""


def refused_for_iso(directory: Path, text: str) -> tuple[UserError, ...]:
    """What only an ISO refuses of a configuration that is right otherwise."""
    (directory / "c.yaml").write_text(text)
    checked = check_config(directory / "c.yaml")
    assert checked.config is not None
    return checked.iso_errors


def test_what_an_iso_refuses_is_told_with_all_other_errors_in_the_order_of_the_file(directory: Path) -> None:
    (directory / "c.yaml").write_text(
        DISK.replace("MaxSize: 100", "MaxSize: x").replace("  BootType", "  X: y\n  BootType")
    )
    with pytest.raises(UserErrors) as caught:
        load_config_for_iso(directory / "c.yaml")
    assert [error.message.partition(":")[0] for error in caught.value.errors] == [
        "Disks",
        "Disks[0].MaxSize",
        "SystemConfig.X",
        "SystemConfig.BootType",
        "SystemConfig.PartitionSettings",
        "SystemConfig.Verity",
    ]


def test_what_mic_build_can_carry_out_is_let_through_and_what_asks_for_nothing(directory: Path) -> None:
    (directory / "a.sh").touch(mode=0o755)
    assert not refused_for_iso(directory, SUPPORTED)


@pytest.mark.parametrize("below", ["", "Iso."])
def test_what_concerns_disk_outputs_is_refused_by_name_wherever_it_stands(directory: Path, below: str) -> None:
    value = "{DataPartition: {IdType: PartLabel, Id: a}, HashPartition: {IdType: PartLabel, Id: b}}"
    text = value
    for part in reversed(f"{below}SystemConfig.Verity".split(".")):
        text = f"{{{part}: {text}}}"
    (error,) = refused_for_iso(directory, text)
    assert f":1:{text.index(value) + 1}: {below}SystemConfig.Verity: concerns disk outputs" in str(error)


def test_everything_about_disks_is_refused_in_the_order_of_the_file(directory: Path) -> None:
    apply = "concerns disk outputs and does not apply to an ISO"
    assert [error.message for error in refused_for_iso(directory, DISK)] == [
        f"Disks: {apply}: the layout of the medium is always the same",
        f"SystemConfig.BootType: {apply}: the medium boots under UEFI and BIOS alike",
        f"SystemConfig.PartitionSettings: {apply}: a live system mounts no partitions and has no /etc/fstab",
        f"SystemConfig.Verity: {apply}: the root of a live system is a squashfs under an overlay, without dm-verity",
    ]
