"""Promises about how the text is read: YAML and JSON, places, and what is refused at sight."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mic.config import load_config
from mic.errors import UserError, UserErrors

from .conftest import Complaints, Read
from .everything import EVERYTHING, Route, change, routes


@pytest.mark.parametrize("text", ["{}", "null", "~", "--- null\n", "Iso:\nSystemConfig:\nDisks:\n"])
def test_nothing_asked_for_means_no_changes(read: Read, text: str) -> None:
    config = read(text)
    assert not config.kernel_arguments
    assert not config.iso.additional_files
    assert config.system_config.hostname is None
    assert not config.system_config.users
    assert not config.disks


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "\ufeff"])
def test_empty_file_is_an_error(complaints: Complaints, text: str) -> None:
    assert complaints(text) == ["1:1: the file is empty ({} is a configuration without changes)"]


def test_second_document_is_an_error_beside_those_of_the_first(complaints: Complaints) -> None:
    assert complaints("Isoo:\n---\nIso:\n") == [
        "1:1: Isoo: unknown key (did you mean Iso?)",
        "2:1: a second YAML document begins here (one file is one configuration)",
    ]


def test_end_of_document_is_no_second_document(read: Read) -> None:
    assert read("---\nSystemConfig: {Hostname: a}\n...\n").system_config.hostname == "a"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SystemConfig:\n  Hostnam: a\n", "2:3: SystemConfig.Hostnam: unknown key (did you mean Hostname?)"),
        ("SystemConfig:\n  hostname: a\n", "2:3: SystemConfig.hostname: unknown key (did you mean Hostname?)"),
        ("Users: []\n", "1:1: Users: unknown key (it belongs in SystemConfig)"),
        ("SystemConfig: {Disks: }\n", "1:16: SystemConfig.Disks: unknown key (it belongs at the top level)"),
        ("Iso: {ExtraCommandLine: a}\n", "1:7: Iso.ExtraCommandLine: unknown key (it belongs in KernelCommandLine)"),
        ("MaxSize: 5\n", "1:1: MaxSize: unknown key (it belongs in the item of Disks)"),
        ("Iso: {X: y}\n", "1:7: Iso.X: unknown key (known keys: KernelCommandLine, AdditionalFiles, SystemConfig)"),
    ],
)
def test_unknown_key_is_an_error_that_leads_to_the_right_one(complaints: Complaints, text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


def maps_of_everything() -> list[Route]:
    """The way to each map in EVERYTHING whose keys are the contract's."""
    document = yaml.safe_load(EVERYTHING)
    ways: list[Route] = [(), *routes(document)]
    return [way for way in ways if isinstance(found(document, way), dict) and way[-1:] != ("AdditionalFiles",)]


def found(document: Any, way: Route) -> Any:
    for step in way:
        document = document[step]
    return document


@pytest.mark.parametrize("way", maps_of_everything(), ids=str)
def test_unknown_key_and_key_given_twice_are_errors_at_every_level(everything: Path, way: Route) -> None:
    document = yaml.safe_load(EVERYTHING)
    own_key = next(iter(found(document, way)))
    found(document, way)["Zzz"] = 1
    text = yaml.safe_dump(document)
    for key, complaint in (("Zzz", "Zzz: unknown key"), (own_key, f"{own_key}: the key is given twice")):
        everything.write_text(text.replace("Zzz: 1", f"{key}: 1"))
        with pytest.raises(UserErrors) as caught:
            load_config(everything)
        (error,) = caught.value.errors
        assert complaint in error.message


def keys_of_everything() -> list[Route]:
    """The way to each key in EVERYTHING, but for the names of files."""
    document = yaml.safe_load(EVERYTHING)
    return [way for way in routes(document) if isinstance(way[-1], str) and way[-2:-1] != ("AdditionalFiles",)]


@pytest.mark.parametrize("way", keys_of_everything(), ids=str)
def test_key_in_other_letters_is_unknown_and_led_to_the_right_one(everything: Path, way: Route) -> None:
    document = yaml.safe_load(EVERYTHING)
    container, key = found(document, way[:-1]), way[-1]
    assert isinstance(key, str)
    snake_case = re.sub("(?<=[a-z])(?=[A-Z])", "_", key).lower()
    container[snake_case] = container.pop(key)
    everything.write_text(yaml.safe_dump(document))
    with pytest.raises(UserErrors) as caught:
        load_config(everything)
    (hint,) = [error.hint for error in caught.value.errors if f"{snake_case}: unknown key" in error.message]
    assert hint == f"did you mean {key}?"


def scalars_of_everything() -> list[Route]:
    document = yaml.safe_load(EVERYTHING)
    return [way for way in routes(document) if not isinstance(found(document, way), dict | list)]


@pytest.mark.parametrize("way", scalars_of_everything(), ids=str)
@pytest.mark.parametrize("scalar", ["123", "true", "1.5", "2024-02-01"])
def test_no_text_is_refused_for_looking_like_something_else(everything: Path, way: Route, scalar: str) -> None:
    document = yaml.safe_load(EVERYTHING)
    change(document, way, yaml.safe_load(scalar))
    everything.write_text(yaml.safe_dump(document))
    assert "must be text" not in told_of(everything)


def told_of(file: Path) -> str:
    """Everything that is wrong with the configuration; nothing where it is right."""
    try:
        load_config(file)
    except UserErrors as caught:
        return str(caught)
    return ""


def test_key_given_twice_is_an_error_at_every_level(complaints: Complaints) -> None:
    assert complaints("Iso: {}\nSystemConfig:\n  Users:\n  - Name: a\n    Name: b\nIso: {}\n") == [
        "5:5: SystemConfig.Users[0].Name: the key is given twice, first in line 4",
        "6:1: Iso: the key is given twice, first in line 1",
    ]


def test_both_values_of_a_key_given_twice_are_read_for_further_duplicates(complaints: Complaints) -> None:
    assert len(complaints("Iso: {}\nIso: {KernelCommandLine: a, KernelCommandLine: b}\n")) == 2


def test_anchors_and_aliases_work(read: Read) -> None:
    config = read("SystemConfig:\n  PackagesInstall: &p [a, b]\n  PackagesRemove: *p\n")
    assert [package.name for package in config.system_config.packages.remove] == ["a", "b"]


def test_many_values_beside_each_other_are_not_deep(read: Read) -> None:
    users = "".join(f"  - {{Name: u{number}, SecondaryGroups: []}}\n" for number in range(500))
    assert len(read(f"SystemConfig:\n  Users:\n{users}").system_config.users) == 500


def test_error_in_an_aliased_value_is_told_for_every_use(complaints: Complaints) -> None:
    assert complaints("SystemConfig:\n  PackagesInstall: &p [-a]\n  PackagesRemove: *p\n") == [
        "2:24: SystemConfig.PackagesInstall[0]: begins with -, as only an option does",
        "2:24: SystemConfig.PackagesRemove[0]: begins with -, as only an option does",
    ]


def test_merge_keys_work_and_own_keys_win(read: Read) -> None:
    users = read(
        "SystemConfig:\n  Users:\n  - &u {Name: a, UID: 1000, PrimaryGroup: sudo}\n"
        "  - &v {Name: b, UID: 1001, StartupCommand: /bin/sh}\n"
        "  - <<: [*v, *u]\n    Name: c\n"
    ).system_config.users
    assert (users[2].name, users[2].uid, users[2].primary_group) == ("c", 1001, "sudo")
    assert users[2].startup_command == "/bin/sh"


def test_merge_key_works_among_additional_files(read: Read) -> None:
    files = read("Iso:\n  AdditionalFiles: &f {a.txt: /a}\n  SystemConfig:\n    AdditionalFiles: {<<: *f, b.txt: /b}\n")
    assert {str(file.destination) for file in files.system_config.additional_files} == {"/a", "/b"}


def test_merge_of_something_else_than_a_map_is_an_error(complaints: Complaints) -> None:
    assert complaints("Iso: {<<: 1, <<: [2]}\n") == [
        "1:7: Iso: << takes a map, or a list of maps",
        "1:14: Iso: << is given twice (it takes a list of maps too)",
        "1:14: Iso: << takes a map, or a list of maps",
    ]


def test_json_is_accepted_with_tabs_escapes_and_slashes(read: Read, directory: Path) -> None:
    (directory / "😀/").mkdir()
    (directory / "😀/ü").touch()
    document = {"Iso": {"AdditionalFiles": {"😀/ü": "/😀"}, "KernelCommandLine": "a=b"}}
    config = read(json.dumps(document, indent="\t").replace("/", "\\/"))
    assert str(config.iso.additional_files[0].destination) == "/😀"
    assert config.kernel_arguments.shown == "a=b"


def test_text_that_looks_like_an_escape_of_json_is_left_alone(read: Read) -> None:
    (package,) = read("SystemConfig:\n  PackagesInstall: ['\\ud83d\\ude00']").system_config.packages.install
    assert package.name == "\\ud83d\\ude00"


def test_columns_after_joined_json_escapes_are_those_of_the_file(complaints: Complaints) -> None:
    text = '{"SystemConfig": {"Hostname": "\\ud83d\\ude00\\ud83d\\ude00", "X": 1, "Y": "\\\\ud83d"}}'
    assert [complaint.partition(": ")[0] for complaint in complaints(text)] == [
        f"1:{text.index(word) + 1}" for word in ('"\\ud83d', '"X"', '"Y"')
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_mark_is_no_part_of_the_text(directory: Path, encoding: str) -> None:
    (directory / "c.yaml").write_bytes("SystemConfig: {Hostname: a}".encode(encoding))
    config = load_config(directory / "c.yaml")
    assert config.system_config.hostname == "a"
    assert str(config.position_of("SystemConfig")).endswith("c.yaml:1:15")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"a: 1\nb: \xff\n", "2:4: the byte 0xff is not UTF-8 text (is this a text file?)"),
        (codecs.BOM_UTF16_LE + b"a\0\x00\xd8", "1:2: the byte 0x00 is not UTF-16 text (is this a text file?)"),
        (b"a: 1\n\tb\0: 1", "2:3: the character U+0000 is not allowed in YAML (is this a text file?)"),
        (b"a: 1\r\n\x1b", "2:1: the character U+001B is not allowed in YAML (is this a text file?)"),
    ],
)
def test_what_is_not_text_is_told_with_its_place(directory: Path, data: bytes, complaint: str) -> None:
    (directory / "c.yaml").write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_config(directory / "c.yaml")
    assert str(caught.value) == f"{directory}/c.yaml:{complaint}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Iso:\n\tA: b\n", "2:1: a tab cannot indent (use spaces)"),
        ("Iso: a: b\n", "1:7: a colon where no key can stand (quote text that holds a colon and a space)"),
        ("Iso: [a\n", "2:1: a ] or a comma is missing, in what began in line 1"),
        ("Iso: [a", "1:8: a ] or a comma is missing"),
        ("Iso: {a: 1\n", "2:1: a } or a comma is missing, in what began in line 1"),
        ("Iso: 'a\n\n", "3:1: the file ends inside quotes, in what began in line 1"),
        ('Iso: "\\q"\n', None),
        ("Iso: @a\n", "1:6: no value can begin with @ (quote the text if it is meant as it stands)"),
        ("Iso:\n- a\nb\n", None),
        ("Iso:\n  a: 1\n b: 2\n", None),
        ("a b\nIso:\n", None),
        ("Iso: *a\n", None),
        ("Iso: |x\n", None),
        ("Iso: !a!b c\n", None),
    ],
)
def test_broken_yaml_is_one_error_with_a_place_and_a_cause(
    complaints: Complaints, text: str, complaint: str | None
) -> None:
    found = complaints(text)
    assert len(found) == 1
    assert "this is not YAML" not in found[0]
    if complaint is not None:
        assert found == [complaint]


@pytest.mark.parametrize("value", ["!local x", "!!binary aGk=", "!<tag:x,2000:y> x", "!!set {a}"])
def test_tag_that_is_not_understood_is_an_error(complaints: Complaints, value: str) -> None:
    assert any("Iso: a tag that is not understood" in complaint for complaint in complaints(f"Iso: {value}\n"))


def test_tag_of_a_key_that_is_not_understood_is_an_error(complaints: Complaints) -> None:
    assert complaints("!local Iso: {}\n") == [
        "1:1: Iso: a tag that is not understood (quote the text if it begins with !)"
    ]


def test_standard_tags_are_understood(read: Read) -> None:
    users = read('SystemConfig: {Users: [{Name: !!str a1, UID: !!int "7"}]}').system_config.users
    assert (users[0].name, users[0].uid) == ("a1", 7)


def test_key_that_is_no_word_is_an_error(complaints: Complaints) -> None:
    assert complaints("Iso:\n  {a: b}: c\n  [d]: e\n") == [
        "2:3: Iso: a key has to be a word (quote text that begins with { or [)",
        "3:3: Iso: a key has to be a word (quote text that begins with { or [)",
    ]


@pytest.mark.parametrize("text", ["[]", "5", "text", "'null'"])
def test_whole_file_has_to_be_a_map(complaints: Complaints, text: str) -> None:
    (complaint,) = complaints(text)
    assert complaint.startswith("1:1: must be a map, not ")


def test_all_errors_come_in_one_run_in_the_order_of_the_file(complaints: Complaints) -> None:
    text = """\
Disks: []
Iso:
  AdditionalFiles: {missing.txt: relative}
  Volume: X
SystemConfig:
  Hostname: a_b
  Users:
  - Name: a b
    UID: -1
    Password: x
    PasswordPath: missing
    Shell: sh
  - Name: ok
    PasswordHashed: "yes"
  - Name: ok
  Services: {Enable: [a, {Name: ""}, 5], Disable: a}
"""
    assert [complaint.split(" (")[0] for complaint in complaints(text)] == [
        "1:8: Disks: is an empty list: one disk is all there can be",
        '3:21: Iso.AdditionalFiles["missing.txt"]: no such file',
        '3:34: Iso.AdditionalFiles["missing.txt"]: must be an absolute path',
        "4:3: Iso.Volume: unknown key",
        "6:13: SystemConfig.Hostname: is not a valid host name",
        "8:11: SystemConfig.Users[0].Name: is not a valid user name: at most 32 letters, digits, '_', '-' and '.', "
        "not only digits, no leading '-'",
        "9:10: SystemConfig.Users[0].UID: must be a whole number from 0 to 60000",
        "11:19: SystemConfig.Users[0].PasswordPath: cannot be given together with Password",
        "11:19: SystemConfig.Users[0].PasswordPath: no such file",
        "12:5: SystemConfig.Users[0].Shell: unknown key",
        "14:21: SystemConfig.Users[1].PasswordHashed: must be true or false, not text",
        "15:11: SystemConfig.Users[2].Name: ok is given twice, first in line 13",
        "16:33: SystemConfig.Services.Enable[1].Name: is empty",
        "16:51: SystemConfig.Services.Disable: must be a list, not text",
    ]


@pytest.mark.parametrize("name", ["missing.yaml", ".", "a.txt/c.yaml"])
def test_file_that_cannot_be_read_is_named(directory: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"cannot be read: |is a directory") as caught:
        load_config(directory / name)
    assert caught.value.where == directory / name


def test_position_of_finds_values_and_else_what_is_around_them(read: Read, directory: Path) -> None:
    config = read("Iso:\n  SystemConfig:\n    Users:\n    - Name: a\n      PrimaryGroup: sudo\n")
    assert str(config.position_of("SystemConfig.Users[0].PrimaryGroup")) == f"{directory}/c.yaml:5:21"
    assert str(config.position_of("Iso.SystemConfig.Users[0].PrimaryGroup")) == f"{directory}/c.yaml:5:21"
    assert str(config.position_of("SystemConfig.Users[0].UID")) == f"{directory}/c.yaml:4:7"
    assert str(config.position_of("SystemConfig.Users[7].UID")) == f"{directory}/c.yaml:4:5"
    assert str(config.position_of("Disks")) == f"{directory}/c.yaml:1:1"
