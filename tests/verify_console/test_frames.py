from __future__ import annotations

import base64
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mic import programs
from verify.console.frames import (
    Answer,
    Outcome,
    Upload,
    again_line,
    checksums,
    go_line,
    new_nonce,
    posix_cksum,
)

TERMINAL_LINE = 4095  # what n_tty takes in canonical mode
NONCE = "abcd1234"


def frames_of(outcome: Outcome, nonce: str = NONCE) -> list[str]:
    """The answer as helper.sh writes it (whose own frames test_shell.py sees)."""

    def wrapped(data: bytes) -> list[str]:
        text = base64.b64encode(data).decode()
        return [text[start : start + 76] for start in range(0, len(text), 76)]

    lines = [f"{nonce}={outcome.exit_code}", *wrapped(outcome.stdout), "=", *wrapped(outcome.stderr), "="]
    checksum = checksums("".join(f"{line}\n" for line in lines).encode(), "sha256sum")
    numbered = [f"%{nonce} l {number:05d}:{line}" for number, line in enumerate(lines, start=1)]
    return [*numbered, f"%{nonce} s {len(lines):05d} {checksum}"]


def answer_from(frames: list[str]) -> Answer:
    answer = Answer(NONCE, "sha256sum")
    for frame in frames:
        answer.take(frame)
    return answer


outcomes = st.builds(Outcome, st.integers(0, 255), st.binary(max_size=300), st.binary(max_size=200))


@given(outcomes)
def test_a_whole_answer_is_understood(outcome: Outcome) -> None:
    assert answer_from(frames_of(outcome)).outcome() == outcome


@given(outcomes, st.data())
def test_no_damage_to_an_answer_is_ever_believed(outcome: Outcome, data: st.DataObject) -> None:
    text = "\r\n".join(frames_of(outcome)) + "\r\n"
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 3))
        noise = data.draw(st.sampled_from(["", "A", "=", "0", "%", "\r\n", "[   12.345678] usb 1-1: new\r\n"]))
        text = text[:position] + noise + text[position + length :]
    assert answer_from(text.split("\n")).outcome() in (None, outcome)


@given(outcomes, st.data())
def test_lost_lines_are_named_and_their_arrival_completes_the_answer(outcome: Outcome, data: st.DataObject) -> None:
    frames = frames_of(outcome)
    lost = data.draw(st.sets(st.integers(1, len(frames) - 1), min_size=1))
    answer = answer_from([frame for number, frame in enumerate(frames, start=1) if number not in lost])
    assert answer.outcome() is None
    assert lost <= set(answer.lacking)
    for number in answer.lacking:
        answer.take(frames[number - 1])
    assert answer.outcome() == outcome


def test_an_answer_to_another_request_is_not_taken() -> None:
    stale = frames_of(Outcome(0, b"old", b""), nonce="zzzz9999")
    assert not any(answer_from([]).take(frame) for frame in stale)


def test_a_summary_that_lost_a_digit_is_no_summary() -> None:
    answer = answer_from([])
    assert not answer.take(f"%{NONCE} s 1234 {'0' * 64}")


def test_two_versions_of_a_line_are_both_distrusted() -> None:
    frames = frames_of(Outcome(0, b"right", b""))
    answer = answer_from([*frames, f"%{NONCE} l 00002:d3Jvbmc="])
    assert answer.lacking == [2]


def test_a_checksum_that_does_not_fit_has_everything_asked_for_again() -> None:
    frames = frames_of(Outcome(0, b"right", b""))
    forged = [frame.replace("cmlnaHQ=", "d3Jvbmc=") for frame in frames]
    answer = answer_from(forged)
    assert answer.outcome() is None
    for frame in frames:
        answer.take(frame)
    assert answer.outcome() == Outcome(0, b"right", b"")


@given(st.binary(max_size=2000), st.integers(120, 3000))
def test_pieces_make_up_the_whole_and_fit_a_terminal_line(data: bytes, length: int) -> None:
    upload = Upload("i", data, length)
    lines = [line.decode() for line in upload.lines(NONCE)]
    assert len(lines) == upload.count
    pieces = [re.fullmatch(r"p abcd1234 i (\d{5}) (\d+) ([A-Za-z0-9+/=]+)\n", line) for line in lines]
    assert all(piece is not None and int(piece[2]) == len(piece[3]) for piece in pieces)
    assert base64.b64decode("".join(piece[3] for piece in pieces if piece is not None)) == data
    assert all(len(line) <= TERMINAL_LINE for line in lines)


def test_requests_fit_a_terminal_line() -> None:
    nonce = new_nonce()
    assert len(again_line(nonce, list(range(1, 90_000, 2)))) <= TERMINAL_LINE
    command = Upload("c", b"x" * 10, 240)
    assert len(go_line(nonce, command, command, "sha256sum")) <= TERMINAL_LINE


def test_neighbouring_lines_are_asked_for_as_a_range() -> None:
    assert again_line(NONCE, [3, 4, 5, 9]) == b"a abcd1234 3,5p;9,9p;\n"


@pytest.mark.skipif(shutil.which("cksum") is None, reason="there is no cksum to compare with")
@pytest.mark.parametrize("data", [b"", b"a", b"hello\n", bytes(range(256)) * 5])
def test_our_cksum_is_the_programs(data: bytes) -> None:
    assert posix_cksum(data) == "-".join(programs.run("cksum", stdin=data).text.split())
