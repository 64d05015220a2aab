"""Promises about single values: what a text, a bool, a number, permissions and kernel arguments may be."""

from __future__ import annotations

import pytest

from mic.config import SELinuxMode

from .conftest import Complaints, Read


@pytest.mark.parametrize("text", ["123", "true", "1.50", "0x10", "2024-02-01", "'null'", "~x", '"123"', "no", "1_000"])
def test_text_takes_any_scalar_as_it_is_written(read: Read, text: str) -> None:
    (package,) = read(f"SystemConfig: {{PackagesInstall: [{text}]}}").system_config.packages.install
    assert package.name == text.strip("'\"")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("true", "True", "TRUE", "yes", "Yes", "on", "ON", "y", "Y")),
        *((word, False) for word in ("false", "no", "off", "Off", "n", "N", "~", "")),
    ],
)
def test_bool_takes_the_words_of_yaml_1_1(read: Read, text: str, value: bool) -> None:
    config = read(f"SystemConfig:\n  UpdateBaseImagePackages: {text}\n")
    assert config.system_config.packages.update_base_image is value


@pytest.mark.parametrize("text", ['"true"', "'yes'", '"y"', "1", "0", "1.0", "tru", "[]", "{}"])
def test_bool_takes_nothing_else(complaints: Complaints, text: str) -> None:
    (complaint,) = complaints(f"SystemConfig:\n  UpdateBaseImagePackages: {text}\n")
    assert complaint.startswith("2:28: SystemConfig.UpdateBaseImagePackages: must be true or false, not ")


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("0x10", 16), ("010", 8), ("0b11", 3), ("+5", 5), ("60000", 60000), ("1_000", 1000)]
)
def test_int_takes_the_numbers_of_yaml_1_1(read: Read, text: str, value: int) -> None:
    assert read(f"SystemConfig: {{Users: [{{Name: a, UID: {text}}}]}}").system_config.users[0].uid == value


@pytest.mark.parametrize(
    "text", ['"5"', "1.5", "true", "x", "[]", "1:30", "-1", "60001", "0x", "1e3", "9" * 5000, "!!int x", "!!int ''"]
)
def test_int_takes_nothing_else(complaints: Complaints, text: str) -> None:
    (complaint,) = complaints(f"SystemConfig: {{Users: [{{Name: a, UID: {text}}}]}}")
    assert complaint.startswith("1:39: SystemConfig.Users[0].UID: must be a whole number")


@pytest.mark.parametrize(
    ("text", "mode"),
    [('"644"', 0o644), ("0644", 0o644), ("644", 0o644), ("0", 0), ("0777", 0o777), ("00000644", 0o644)],
)
def test_permissions_are_octal_digits_quoted_or_not(read: Read, text: str, mode: int) -> None:
    (file,) = read(f"Iso: {{AdditionalFiles: {{a.txt: {{Path: /a, Permissions: {text}}}}}}}").iso.additional_files
    assert (file.permissions, file.mode) == (mode, mode)


@pytest.mark.parametrize("text", ["0o644", "888", "u+x", "1000", "4755", "-1", '""', "[]", "0x1", "6.44", "7" * 5000])
def test_permissions_take_nothing_else(complaints: Complaints, text: str) -> None:
    (complaint,) = complaints(f"Iso: {{AdditionalFiles: {{a.txt: {{Path: /a, Permissions: {text}}}}}}}")
    assert complaint.startswith('1:56: Iso.AdditionalFiles["a.txt"].Permissions: must be ')


@pytest.mark.parametrize("text", ['"a\\0b"', "[a]", "{a: b}", "~"])
def test_what_no_text_can_be_is_refused(complaints: Complaints, text: str) -> None:
    (complaint,) = complaints(f"SystemConfig: {{PackagesInstall: [{text}]}}")
    assert complaint.startswith("1:34: SystemConfig.PackagesInstall[0]: ")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{Users: {Name: a}}", "1:23: SystemConfig.Users: must be a list, not a map (begin each item with a dash)"),
        ("{Users: a}", "1:23: SystemConfig.Users: must be a list, not text (begin each item with a dash)"),
        ("{Services: [a]}", "1:26: SystemConfig.Services: must be a map, not a list"),
        ("{Modules: {Load: {Name: a}}}", "1:32: SystemConfig.Modules.Load: must be a list, not a map (begin each item "
                                         "with a dash)"),
    ],
)  # fmt: skip
def test_list_and_map_are_told_apart(complaints: Complaints, text: str, complaint: str) -> None:
    assert complaints(f"SystemConfig: {text}") == [complaint]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ture", "did you mean true?"),
        ("Yess", "did you mean yes?"),
        ("'off'", "write it without quotes"),
        ("maybe", None),
    ],
)
def test_misspelt_bool_is_led_to_the_right_one(complaints: Complaints, text: str, hint: str | None) -> None:
    (complaint,) = complaints(f"SystemConfig: {{UpdateBaseImagePackages: {text}}}")
    assert complaint.partition(" (")[2].rstrip(")") == (hint or "")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("SystemConfig: {BootType: Legacy}", "legacy"),
        ("SystemConfig: {BootType: EFI}", "efi"),
        ("SystemConfig: {PartitionSettings: [{ID: a, MountIdentifier: part-uuid}]}", "partuuid"),
        ("SystemConfig: {Verity: {DataPartition: {IdType: partlabel}}}", "PartLabel"),
        ("Disks: [{PartitionTableType: GPT}]", "gpt"),
        ("Disks: [{Partitions: [{FsType: fat-32}]}]", "fat32"),
        ("Disks: [{Partitions: [{Flags: [bios-grub]}]}]", "bios_grub"),
    ],
)
def test_misspelt_choice_of_every_kind_is_led_to_the_right_one(complaints: Complaints, text: str, meant: str) -> None:
    assert any(complaint.endswith(f"(did you mean {meant}?)") for complaint in complaints(text))


def test_misspelt_choice_is_led_to_the_right_one(complaints: Complaints) -> None:
    assert complaints("SystemConfig: {KernelCommandLine: {SELinux: Enforcng}}") == [
        "1:45: SystemConfig.KernelCommandLine.SELinux: must be one of disabled, permissive, enforcing "
        "(did you mean enforcing?)"
    ]


def test_kernel_arguments_are_the_systems_then_the_isos(read: Read) -> None:
    config = read(
        "Iso:\n  KernelCommandLine: ds=nocloud;s=file://x a='b c'\n"
        "SystemConfig: {KernelCommandLine: {ExtraCommandLine: quiet, SELinux: permissive}}\n"
    )
    assert config.kernel_arguments.words == ("quiet", "ds=nocloud;s=file://x", "a=b c")
    assert config.system_config.kernel_command_line.selinux is SELinuxMode.PERMISSIVE


@pytest.mark.parametrize("text", ["a=b c", "{ExtraCommandLine: a=b c}"])
@pytest.mark.parametrize("section", ["Iso", "SystemConfig"])
def test_kernel_command_line_may_be_a_text(read: Read, section: str, text: str) -> None:
    assert read(f"{section}: {{KernelCommandLine: {text}}}").kernel_arguments.words == ("a=b", "c")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a=$b", "$ is not allowed: nothing expands in a kernel argument"),
        ('"\'a"', "the quote ' is never closed"),
        (
            "|\n    a=b\n",
            "a control character ('\\n') cannot reach the kernel (end a folded text with >- instead of >)",
        ),
    ],
)
def test_kernel_arguments_that_cannot_arrive_are_refused(complaints: Complaints, text: str, complaint: str) -> None:
    (found,) = complaints(f"Iso:\n  KernelCommandLine: {text}\n")
    assert found == f"2:22: Iso.KernelCommandLine: {complaint}"


def test_selinux_is_refused_for_the_iso(complaints: Complaints) -> None:
    assert complaints("Iso: {KernelCommandLine: {SELinux: disabled}}") == [
        "1:36: Iso.KernelCommandLine.SELinux: is not for an ISO: a live system runs with SELinux off (leave it out)"
    ]
