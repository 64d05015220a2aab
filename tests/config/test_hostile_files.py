"""Promises about files that no user writes on purpose: a clear error, soon, and in little memory."""

from __future__ import annotations

import codecs
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mic.config import load_config
from mic.errors import SourcePosition, UserError, UserErrors

from .everything import EVERYTHING, Route, change, routes
from .hostile import HOSTILE, Hostile

MOST_MIB = 200

# VmHWM, and not getrusage's maxrss: a new program inherits that of the process that started it.
READ = """
import re, sys
from pathlib import Path
from mic.config import load_config
from mic.errors import UserError
try:
    load_config(Path(sys.argv[1]))
except UserError as error:
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10)
    print(str(error)[:4000])
"""


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_hostile_file_is_answered_clearly_and_in_little_memory(tmp_path: Path, hostile: Hostile) -> None:
    check_answer(hostile.write(tmp_path), hostile.complaint)


def test_device_without_an_end_is_answered_clearly_and_in_little_memory() -> None:
    check_answer(Path("/dev/zero"), "is larger than 1 MiB")


def check_answer(file: Path, complaint: str) -> None:
    # No promise about seconds, which tests.benchmarks.hostile_configurations measures; only that there is an end.
    done = subprocess.run(
        [sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=True, timeout=60
    )
    mib, _, message = done.stdout.partition("\n")
    assert complaint in message
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
