"""`mic validate` and `mic schema`, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
VALID = "SystemConfig:\n  Hostname: a\n"
FOR_DISKS = """\
Disks:
- PartitionTableType: gpt
  MaxSize: 100
  Partitions: [{ID: a, FsType: ext4, Start: 1, Flags: [bios_grub]}]
SystemConfig: {BootType: legacy}
"""
WRONG = "Iso:\n  AdditionalFiles: {missing: /a}\nSystemConfig: {Hostnam: a}\n"


def mic(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the program in `directory`."""
    return subprocess.run(
        [sys.executable, "-m", "mic.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TERM": "dumb"},
    )


def validate(text: str, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "c.yaml").write_text(text)
    return mic("validate", "--config-file", "c.yaml", *options, directory=directory)


def test_valid_configuration_is_said_to_be_valid_in_one_line(tmp_path: Path) -> None:
    done = validate(VALID, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "c.yaml: valid\n", "")


def test_every_error_is_told_in_the_order_of_the_file_with_those_that_need_the_disk(tmp_path: Path) -> None:
    done = validate(WRONG, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"mic: c.yaml:2:21: Iso.AdditionalFiles.missing: no such file (paths are relative to {tmp_path})",
        "mic: c.yaml:3:16: SystemConfig.Hostnam: unknown key (did you mean Hostname?)",
    ]


def test_configuration_for_disk_outputs_is_valid_and_what_an_iso_refuses_is_noted(tmp_path: Path) -> None:
    done = validate(FOR_DISKS, tmp_path)
    assert (done.returncode, done.stdout) == (0, "c.yaml: valid\n")
    assert done.stderr.splitlines() == [
        "mic: note: c.yaml:2:1: Disks: concerns disk outputs and does not apply to an ISO: the layout of the medium is "
        "always the same (leave it out for an ISO)",
        "mic: note: c.yaml:5:26: SystemConfig.BootType: concerns disk outputs and does not apply to an ISO: the medium "
        "boots under UEFI and BIOS alike (leave it out for an ISO)",
    ]


def test_configuration_for_disk_outputs_is_an_error_when_an_iso_is_wanted(tmp_path: Path) -> None:
    done = validate(FOR_DISKS, tmp_path, "--output-image-format", "iso")
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(": ")[2] for line in done.stderr.splitlines()] == ["Disks", "SystemConfig.BootType"]


def test_nothing_is_noted_when_a_disk_output_is_wanted(tmp_path: Path) -> None:
    done = validate(FOR_DISKS, tmp_path, "--output-image-format", "qcow2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "c.yaml: valid\n", "")


@pytest.mark.parametrize(("text", "options"), [(WRONG, ()), (FOR_DISKS, ("--output-image-format", "iso"))])
def test_build_tells_the_very_errors_that_validate_tells(tmp_path: Path, text: str, options: tuple[str, ...]) -> None:
    told = validate(text, tmp_path, *options).stderr
    files = ("--image-file", "missing.raw", "--output-image-file", "out.iso")
    built = mic("build", "--config-file", "c.yaml", *files, directory=tmp_path)
    assert (built.returncode, built.stderr) == (2, told)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing.yaml", "missing.yaml: cannot be read: no such file or directory"),
        (".", ".: is a directory, not a file"),
        ("", ".: is a directory, not a file"),
        ("c.yaml/c.yaml", "c.yaml/c.yaml: cannot be read: not a directory"),
        ("x" * 300, f"{'x' * 300}: cannot be read: file name too long"),
        ("/dev/null", "/dev/null:1:1: the file is empty ({} is a configuration without changes)"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "build"])
def test_configuration_that_cannot_be_read_is_told_in_one_sentence(
    tmp_path: Path, command: str, name: str, complaint: str
) -> None:
    (tmp_path / "c.yaml").write_text(VALID)
    more = ("--image-file", "missing.raw", "--output-image-file", "out.iso") if command == "build" else ()
    done = mic(command, "--config-file", name, *more, directory=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mic: {complaint}\n")


def test_reader_who_has_seen_enough_changes_no_exit_code(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("SystemConfig:\n" + "".join(f"  Unknown{number}: 1\n" for number in range(5000)))
    command = [sys.executable, "-m", "mic.cli", "validate", "--config-file", str(tmp_path / "c.yaml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
        assert process.wait(60) == 2


def test_schema_is_json_on_standard_output(tmp_path: Path) -> None:
    done = mic("schema", directory=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)["properties"]) == {"Disks", "Iso", "SystemConfig"}
