"""The recording of a console plays what was shown, when it was shown, and nothing that must stay hidden."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from verify.console.asciicast import Asciicast
from verify.console.transcript import MASK


@dataclass(frozen=True)
class Recording:
    """An asciicast v2 file, taken apart by its specification."""

    header: dict[str, object]
    events: list[tuple[float, str, str]]

    @classmethod
    def read(cls, file: Path) -> Recording:
        first, *rest = file.read_text(encoding="utf-8").splitlines()
        header = json.loads(first)
        assert header["version"] == 2
        assert all(isinstance(header[name], int) for name in ("width", "height", "timestamp"))
        events = [(float(seconds), str(code), str(data)) for seconds, code, data in map(json.loads, rest)]
        assert {code for _, code, _ in events} <= {"o", "i", "m", "r"}
        times = [seconds for seconds, _, _ in events]
        assert times == sorted(times)
        return cls(header, events)

    @property
    def shown(self) -> str:
        return "".join(data for _, code, data in self.events if code == "o")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "console.cast"


def test_header_names_the_cell_and_the_size_of_the_terminal(file: Path) -> None:
    Asciicast(file, "bios-cd").close()
    header = Recording.read(file).header
    assert (header["width"], header["height"], header["title"]) == (80, 24, "bios-cd")


def test_escape_sequences_and_times_are_kept_and_an_unfinished_line_too(file: Path) -> None:
    cast = Asciicast(file, "t")
    cast.add(b"\x1b[1mGRUB", 0.5)
    cast.add(b"\x1b[0m\r\n\xc3", 1.25)
    cast.add(b"\xbc login: ", 7.0)
    cast.close()
    assert Recording.read(file).events == [
        (0.5, "o", "\x1b[1mGRUB"),
        (1.25, "o", "\x1b[0m\r\n"),
        (7.0, "o", "ü login: "),
    ]


def test_marks_are_markers_and_never_run_backwards(file: Path) -> None:
    cast = Asciicast(file, "t")
    cast.add(b"Linux ", 1.0)
    cast.mark("check live.boot begins", 2.0)
    cast.add(b"version\n", 3.0)
    cast.close()
    recording = Recording.read(file)
    assert (2.0, "m", "check live.boot begins") in recording.events
    assert recording.shown == "Linux version\n"


@pytest.mark.parametrize("pieces", [(b"Password: geheim7\n",), (b"Password: geh", b"eim7\n"), (b"geheim7",)])
def test_an_echoed_secret_is_masked_however_it_arrives(file: Path, pieces: tuple[bytes, ...]) -> None:
    cast = Asciicast(file, "t")
    cast.guard("geheim7")
    for number, piece in enumerate(pieces):
        cast.add(piece, float(number))
    cast.guard(None)
    cast.close()
    recording = Recording.read(file)
    assert MASK in recording.shown
    assert "geheim7" not in file.read_text()


def test_frames_of_the_shell_protocol_are_left_out(file: Path) -> None:
    cast = Asciicast(file, "t")
    cast.add(b"before\n%abcd1234 k\r\n%abcd1234 l 00001:c2VjcmV0\r\n%abcd1234 s 00001 12-3\r\n", 1)
    cast.add(b"0" * 64 + b"  07\r\n%abcd123442\r\nafter\n", 2)
    cast.close()
    assert Recording.read(file).shown == "before\nafter\n"


def test_of_a_frame_that_a_kernel_message_cuts_in_two_only_the_message_is_shown(file: Path) -> None:
    cast = Asciicast(file, "t")
    cast.add(b"%abcd1234 l 00001:c2Vj[   12.345678] usb 1-1: new device\r\nbmV0ZXM=\r\nlogin: ", 1)
    cast.close()
    assert Recording.read(file).shown == "[   12.345678] usb 1-1: new device\r\nlogin: "


def test_a_line_that_never_ends_is_written_all_the_same(file: Path) -> None:
    cast = Asciicast(file, "t")
    for _ in range(100):
        cast.add(b"x" * 1000, 0)
    assert file.stat().st_size > 50_000
    cast.close()
