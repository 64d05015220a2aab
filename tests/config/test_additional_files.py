"""Promises about AdditionalFiles, on the medium and in the rootfs alike."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath

import pytest

from mic.config import load_config
from mic.errors import UserErrors

from .conftest import Complaints, Read

NOBODY = 65534
SECTIONS = pytest.mark.parametrize("section", ["Iso", "SystemConfig"])


@SECTIONS
def test_every_form_of_a_destination_is_read(read: Read, directory: Path, section: str) -> None:
    (directory / "a.txt").chmod(0o4711)
    config = read(
        f"{section}:\n  AdditionalFiles:\n    a.txt: [/x, {{Path: /y, Permissions: 600}}]\n"
        f"    {directory}/b.txt: {{Path: /z}}\n"
    )
    files = (config.iso if section == "Iso" else config.system_config).additional_files
    assert [(file.source, file.destination, file.permissions, file.mode & 0o4700) for file in files] == [
        (directory / "a.txt", PurePosixPath("/x"), None, 0o4700),
        (directory / "a.txt", PurePosixPath("/y"), 0o600, 0o600),
        (directory / "b.txt", PurePosixPath("/z"), None, 0o600),
    ]
    assert [str(file.position).rpartition("c.yaml:")[2] for file in files] == ["3:13", "3:24", files_end(directory)]
    assert files[0].key_path == f'{section}.AdditionalFiles["a.txt"][0]'


def files_end(directory: Path) -> str:
    return f"4:{len(f'    {directory}/b.txt: {{Path: ') + 1}"


def test_paths_are_relative_to_the_configuration_and_not_to_the_caller(
    read: Read, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (file,) = read("Iso: {AdditionalFiles: {./a.txt: /a}}").iso.additional_files
    assert file.source.samefile(directory / "a.txt")
    assert file.source.is_absolute()


def test_source_may_be_a_link_to_a_file(read: Read, directory: Path) -> None:
    (directory / "link").symlink_to("a.txt")
    assert len(read("Iso: {AdditionalFiles: {link: /a}}").iso.additional_files) == 1


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("missing", "Iso.AdditionalFiles.missing: no such file"),
        ("sub", "Iso.AdditionalFiles.sub: is a directory, not a regular file"),
        ("/dev/null", 'Iso.AdditionalFiles["/dev/null"]: is a special file, not a regular file'),
        ("pipe", "Iso.AdditionalFiles.pipe: is a special file, not a regular file"),
        ("dangling", "Iso.AdditionalFiles.dangling: no such file"),
        ("a.txt/b", 'Iso.AdditionalFiles["a.txt/b"]: not a directory'),
        ("x" * 300, "Iso.AdditionalFiles"),
        ("''", 'Iso.AdditionalFiles[""]: is empty'),
        ('" "', 'Iso.AdditionalFiles[" "]: is empty'),
        ('"a\\0"', 'Iso.AdditionalFiles["a\\x00"]: holds a character that no text can hold'),
    ],
)
def test_source_has_to_be_a_regular_file(complaints: Complaints, directory: Path, key: str, complaint: str) -> None:
    (directory / "sub").mkdir()
    os.mkfifo(directory / "pipe")
    (directory / "dangling").symlink_to("nowhere")
    (found,) = complaints(f"Iso:\n  AdditionalFiles:\n    ? {key}\n    : /a\n")
    assert found.startswith(f"3:7: {complaint}")


@pytest.mark.parametrize("value", ["a.txt", "[a.txt]"])
def test_files_have_to_be_a_map(complaints: Complaints, value: str) -> None:
    (found,) = complaints(f"Iso: {{AdditionalFiles: {value}}}")
    assert found.startswith("1:24: Iso.AdditionalFiles: must be a map, not ")


def test_file_that_its_user_may_not_read_is_told() -> None:
    # Not below tmp_path, which is closed to all but its owner; root would be let through everywhere.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "a.txt").touch(mode=0o000)
        (directory / "c.yaml").write_text("Iso: {AdditionalFiles: {a.txt: /a}}")
        child = os.fork()
        if child == 0:
            os._exit(_complaint_of_nobody(directory / "c.yaml"))
        assert os.waitpid(child, 0)[1] == 0


def _complaint_of_nobody(file: Path) -> int:
    """0 where nobody is told that it may not read a file; runs in a process of its own."""
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    try:
        load_config(file)
    except UserErrors as caught:
        return 0 if caught.errors[0].message.endswith("cannot be read: permission denied") else 1
    return 2


def test_sources_are_looked_for_even_where_the_destination_is_wrong(complaints: Complaints) -> None:
    assert len(complaints("Iso: {AdditionalFiles: {missing: relative, missing2: [], missing3: }}")) == 6


@pytest.mark.parametrize(
    ("destination", "complaint"),
    [
        ("a", "must be an absolute path (begin it with /)"),
        ("''", "is empty"),
        ("/a/../b", "must not hold .."),
        ("/..", "must not hold .."),
        ("/", "names a directory (add the name of the file)"),
        ("/a/", "names a directory (add the name of the file)"),
        ("/a/.", "names a directory (add the name of the file)"),
        ('"/a\\nb"', "holds a control character"),
        ("/" + "ä" * 128, "is too long for a path"),
        ("/a" * 2048, "is too long for a path"),
        ("[]", "is an empty list"),
        ("~", "must be a map or text, but is empty"),
        ("{Permissions: 600}", None),
        ("{Path: /a, Owner: root}", None),
    ],
)
def test_destination_that_cannot_be_is_refused(complaints: Complaints, destination: str, complaint: str | None) -> None:
    (found,) = complaints(f"Iso:\n  AdditionalFiles:\n    a.txt: {destination}\n")
    assert found.startswith("3:")
    assert 'Iso.AdditionalFiles["a.txt"]' in found
    if complaint is not None:
        assert found.endswith(f'["a.txt"]: {complaint}')


def test_two_dots_within_a_name_are_allowed(read: Read) -> None:
    (file,) = read("Iso: {AdditionalFiles: {a.txt: /a..b/...}}").iso.additional_files
    assert file.destination == PurePosixPath("/a..b/...")


@pytest.mark.parametrize("spelling", ["/a/b", "//a/b", "/a/./b", "/a//b", "/./a/b", "///a///b"])
@SECTIONS
def test_two_files_for_one_destination_are_an_error_that_names_both(
    complaints: Complaints, section: str, spelling: str
) -> None:
    assert complaints(f"{section}:\n  AdditionalFiles:\n    a.txt: /a/b\n    b.txt: [/c, {{Path: {spelling}}}]\n") == [
        f'4:24: {section}.AdditionalFiles["b.txt"][1].Path: b.txt and a.txt (line 3) both go to /a/b '
        "(give one of them another destination)"
    ]


def test_spelling_of_a_destination_is_made_one(read: Read) -> None:
    (file,) = read("Iso: {AdditionalFiles: {a.txt: //a/./b}}").iso.additional_files
    assert str(file.destination) == "/a/b"


def test_file_where_another_needs_a_directory_is_an_error(complaints: Complaints) -> None:
    assert complaints("Iso:\n  AdditionalFiles:\n    a.txt: /a/b/c\n    b.txt: /a\n") == [
        '3:12: Iso.AdditionalFiles["a.txt"]: a.txt needs /a to be a directory, but b.txt (line 4) goes there'
    ]


def test_same_destination_on_the_medium_and_in_the_rootfs_is_no_collision(read: Read) -> None:
    read("Iso: {AdditionalFiles: {a.txt: /a}}\nSystemConfig: {AdditionalFiles: {a.txt: /a}}\n")
