"""Promises about files that no user writes on purpose: a clear error, soon, and in little memory."""

from __future__ import annotations

import codecs
import random
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mic.config import load_config
from mic.errors import SourcePosition, UserError, UserErrors

from .everything import EVERYTHING, Route, change, routes

MOST_SECONDS = 1.0
MOST_MIB = 200

READ = """
import resource, sys, time
from pathlib import Path
from typing import Any
from mic.config import load_config
from mic.errors import UserError
begin = time.process_time()
try:
    load_config(Path(sys.argv[1]))
except UserError as error:
    print(time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
    print(str(error)[:4000])
"""


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    return "\n".join(lines)


def merge_bomb() -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}" for level in range(1, 12)]
    return "\n".join(lines)


def chain() -> str:
    return "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 90))


def noise() -> bytes:
    return random.Random(1).randbytes(1 << 20)


def many_wrong_users() -> str:
    return "SystemConfig:\n  Users:\n" + "  - {Nome: u, UID: x}\n" * 3900


def many_missing_files() -> str:
    return "Iso:\n  AdditionalFiles:\n" + "".join(f"    missing{n}: /{n}\n" for n in range(9900))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (bomb, "aliases unfold to more than 20000 values"),
        (merge_bomb, "aliases unfold to more than 20000 values"),
        (chain, "nested more than 50 levels deep"),
        (lambda: "a: &a [*a]", "an alias refers to a value that it is part of"),
        (lambda: "Iso: &a {SystemConfig: {<<: *a}}", "an alias refers to a value that it is part of"),
        (lambda: "[" * 500_000, "nested more than 50 levels deep"),
        (lambda: "{a: " * 200_000, "nested more than 50 levels deep"),
        (lambda: "- " * 500_000, "nested more than 50 levels deep"),
        (lambda: "[],\n" * 100_000, ""),
        (lambda: "a: [" + "1," * 400_000 + "]", "the file holds more than 20000 values"),
        (lambda: "".join(f"%TAG !a{n}! b\n" for n in range(60_000)) + "--- a", "too many lines begin with %"),
        (noise, "is not UTF-8 text"),
        (lambda: b"\0" * 100_000, "the character U+0000 is not allowed"),
        (lambda: "Iso: " + "x" * 1_000_000, "Iso: must be a map, not text"),
        (lambda: "SystemConfig: {Hostname: " + "a." * 500_000 + "}", "must be at most 255 characters"),
        (lambda: "SystemConfig: {Users: [{Name: a, UID: " + "9" * 1_000_000 + "}]}", "must be a whole number"),
        (many_wrong_users, "SystemConfig.Users[0].Nome: unknown key (did you mean Name?)"),
        (many_missing_files, "no such file"),
    ],
)
def test_hostile_text_is_answered_soon_and_in_little_memory(
    tmp_path: Path, content: Callable[[], str | bytes], complaint: str
) -> None:
    text = content()
    (tmp_path / "c.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    check_answer(tmp_path / "c.yaml", complaint)


def test_huge_file_is_answered_soon_and_in_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "c.yaml").open("wb") as stream:
        stream.write(b"a: b\n")
        stream.truncate(100 << 20)
    check_answer(tmp_path / "c.yaml", "is larger than 1 MiB")
    check_answer(Path("/dev/zero"), "is larger than 1 MiB")


def check_answer(file: Path, complaint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=True, timeout=60
    )
    figures, _, message = done.stdout.partition("\n")
    seconds, mib = figures.split()
    assert complaint in message
    assert float(seconds) < MOST_SECONDS
    assert int(mib) < MOST_MIB


def test_the_text_that_is_broken_below_is_right_by_itself(everything: Path) -> None:
    everything.write_text(EVERYTHING)
    assert load_config(everything).disks


def answer(file: Path, data: bytes) -> None:
    """Reads `data`; only a configuration or errors with places inside the file may come of it."""
    file.write_bytes(data)
    try:
        load_config(file)
    except UserError as caught:
        errors = caught.errors if isinstance(caught, UserErrors) else (caught,)
        assert errors
        encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", data.decode(encoding, errors="replace"))
        for error in errors:
            assert error.message
            assert "hunter2canary" not in str(error)
            assert isinstance(error.where, SourcePosition)
            if error.where.file == file:
                assert 1 <= error.where.line <= len(lines)
                assert 1 <= error.where.column <= len(lines[error.where.line - 1]) + 1


PROPERTY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=6)


@given(st.one_of(st.binary(max_size=100), st.text(max_size=100).map(lambda text: text.encode("utf-16"))))
@example(b"Iso: {AdditionalFiles: {'a\0': /a}}")
@example(b'Iso: {AdditionalFiles: {"a\\0": /a}}')
@example(b"\xef\xbb\xbfIso: [")
@example(b"a\r\rb: \xe2\x80\xa8c: d")
@example(b'Iso: "\xe2\x80\xa9')
@PROPERTY
def test_any_bytes_give_a_configuration_or_errors_with_places(everything: Path, data: bytes) -> None:
    answer(everything, data)


@given(
    start=st.integers(0, len(EVERYTHING)),
    length=st.integers(0, 12),
    inserted=st.one_of(PRINTABLE, st.text("{}[]:,-#&*!|>'\"%@` \t\n?<=~\\abx01/.", max_size=8)),
)
@PROPERTY
def test_text_changed_anywhere_gives_a_configuration_or_errors_with_places(
    everything: Path, start: int, length: int, inserted: str
) -> None:
    answer(everything, (EVERYTHING[:start] + inserted + EVERYTHING[start + length :]).encode())


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**6), st.floats(), PRINTABLE, st.text(max_size=4),
    st.sampled_from(["/a", "a.txt", ".", "/a/../b", "/", "missing", "efi", "a b", "a$b", "-x", "0o644", "é", "\n", ""]),
    st.lists(PRINTABLE, max_size=2), st.dictionaries(PRINTABLE, PRINTABLE, max_size=2),
    st.sampled_from(["Name", "Path", "Id", "ID", "ExtraCommandLine"]).map(lambda key: {key: key}),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(routes(yaml.safe_load(EVERYTHING))), VALUES), min_size=1, max_size=4))
@PROPERTY
def test_values_changed_anywhere_give_a_configuration_or_errors_with_places(
    everything: Path, changes: list[tuple[Route, object]]
) -> None:
    document = yaml.safe_load(EVERYTHING)
    for route, value in changes:
        # An earlier change may have taken away what a later one means to change.
        with suppress(KeyError, IndexError, TypeError):
            change(document, route, value)
    answer(everything, yaml.safe_dump(document, allow_unicode=True).encode())


@pytest.mark.parametrize("route", routes(yaml.safe_load(EVERYTHING)), ids=str)
def test_every_value_of_the_contract_is_looked_at(everything: Path, route: Route) -> None:
    """A list in a list of maps is wrong everywhere; a value that is never read would let it pass."""
    document = yaml.safe_load(EVERYTHING)
    change(document, route, [[{"wrong": [[]]}]])
    everything.write_text(yaml.safe_dump(document))
    with pytest.raises(UserErrors):
        load_config(everything)
