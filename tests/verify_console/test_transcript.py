from __future__ import annotations

from pathlib import Path

import pytest

from verify.console.transcript import MASK, Transcript


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "timed.log"


def test_a_line_carries_the_time_of_its_first_byte(log: Path) -> None:
    transcript = Transcript(log)
    transcript.add("slow ", 1.0)
    transcript.add("line\nnext\n", 7.5)
    transcript.close()
    assert log.read_text() == "[     1.000] slow line\n[     7.500] next\n"


def test_a_line_end_cut_in_two_is_one_line_end() -> None:
    transcript = Transcript()
    assert transcript.add("one\r", 0) + transcript.add("\ntwo\r\r\n", 0) == ("one", "two")


def test_a_carriage_return_alone_ends_a_line_too() -> None:
    assert Transcript().add("10%\r20%\rdone\r\n", 0) == ("10%", "20%", "done")


def test_the_last_lines_include_the_prompt_that_waits() -> None:
    transcript = Transcript()
    transcript.add("one\n\ntwo\nlive login: ", 0)
    assert transcript.last_lines(2) == ("two", "live login: ")


def test_a_line_that_never_ends_does_not_fill_the_memory() -> None:
    transcript = Transcript()
    for _ in range(100):
        transcript.add("x" * 1000, 0)
    assert len(transcript.unfinished) < 20_000


@pytest.mark.parametrize("pieces", [("Password: geheim7\n",), ("Password: geh", "eim7", "\n"), ("geheim7",)])
def test_an_echoed_secret_is_masked_however_it_arrives(log: Path, pieces: tuple[str, ...]) -> None:
    transcript = Transcript(log)
    transcript.guard("geheim7")
    seen = [line for piece in pieces for line in transcript.add(piece, 0)]
    shown = (*seen, *transcript.last_lines(5))
    transcript.guard(None)
    transcript.close()
    assert transcript.secret_seen
    assert "geheim7" not in log.read_text() + "".join(shown)
    assert MASK in log.read_text()


def test_without_an_echo_no_secret_was_seen(log: Path) -> None:
    transcript = Transcript(log)
    transcript.guard("geheim7")
    transcript.add("Password: \nLogin incorrect\n", 0)
    transcript.guard(None)
    assert not transcript.secret_seen


def test_frames_are_left_to_the_raw_log(log: Path) -> None:
    transcript = Transcript(log)
    transcript.add("%abcd1234 l 00007:SGVsbG8=\r\n%abcd1234 k\r\n%abcd1234 is no frame\r\n", 0)
    transcript.mark("$ cat file", 2)
    transcript.close()
    assert log.read_text() == "[     0.000] %abcd1234 is no frame\n[     2.000] === $ cat file\n"
