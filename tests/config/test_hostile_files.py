"""Promises about files that no user writes on purpose: a clear error, soon, and in little memory."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mic.config import load_config
from mic.config.section import Section
from mic.errors import SourcePosition, UserError, UserErrors

MOST_SECONDS = 1.0
MOST_MIB = 200

READ = """
import resource, sys, time
from pathlib import Path
from mic.config import load_config
from mic.config.section import Section
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


KNOWN_KEYS = {key for section in Section.__subclasses__() for key in section.known_keys()}
KEYS = st.sampled_from(sorted({*KNOWN_KEYS, "<<", "a.txt", "X"}))
SCALARS = st.one_of(
    st.sampled_from(["", "~", "yes", "1", "-1", "0644", "/a", "/a/../b", "a.txt", ".", "efi", "esp", "{}", "[]", "''"]),
    st.text(max_size=8).map(lambda text: "'" + text.replace("'", "''") + "'"),
    st.text(max_size=8),
)
FLOWS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=5).map(
            lambda items: f"{{{', '.join(f'{key}: {value}' for key, value in items)}}}"
        ),
    ),
    max_leaves=30,
)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
        FLOWS.map(lambda text: text.encode(errors="surrogatepass")),
        st.tuples(st.sampled_from(["Iso", "SystemConfig", "Disks"]), FLOWS).map(
            lambda pair: f"{pair[0]}:\n  {pair[1]}\n".encode(errors="surrogatepass")
        ),
    )
)
@example(b"Iso: {AdditionalFiles: {'a\\0': /a}}")
@example(b'Iso: {AdditionalFiles: {"a\\0": /a}}')
@example(b"\xef\xbb\xbfIso: [")
@example(b"a\r\rb: \xe2\x80\xa8c: d")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_configuration_or_errors_with_places_in_the_file(directory: Path, data: bytes) -> None:
    file = directory / "c.yaml"
    file.write_bytes(data)
    try:
        load_config(file)
    except UserError as caught:
        errors = caught.errors if isinstance(caught, UserErrors) else (caught,)
        assert errors
        text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
        lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
        for error in errors:
            assert error.message
            assert isinstance(error.where, SourcePosition)
            if error.where.file == file and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
                assert 1 <= error.where.line <= len(lines)
                assert 1 <= error.where.column <= len(lines[error.where.line - 1]) + 2
