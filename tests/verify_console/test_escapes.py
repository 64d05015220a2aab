from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.console.escapes import EscapeStripper, without_escapes

# What bash 5.2 on systemd 258 sends around a prompt and a command, bracketed paste included.
SYSTEMD_258 = (
    b"\x1b]3008;start=0190-ab;user=root;hostname=live;machineid=1f;bootid=2e;pid=00000000000000000311;"
    b"type=command;cwd=/root\x1b\\\x1b[?2004hroot@live:~# \x1b[?2004l\r\n\x1b]3008;end=0190-ab;exit=success\x1b\\"
)


def stripped(*pieces: bytes) -> bytes:
    stripper = EscapeStripper()
    return b"".join(stripper.feed(piece) for piece in pieces)


def test_colours_and_modes_vanish() -> None:
    assert stripped(b"\x1b[0;32m  OK  \x1b[0m] Reached\x1b[K target\x1b(B\x1b[?25l") == b"  OK  ] Reached target"


def test_osc_3008_and_bracketed_paste_vanish_wherever_reads_cut_them() -> None:
    for cut in range(len(SYSTEMD_258) + 1):
        assert stripped(SYSTEMD_258[:cut], SYSTEMD_258[cut:]) == b"root@live:~# \r\n", cut


@pytest.mark.parametrize("move", [b"\x1b[2J", b"\x1b[01;01H", b"\x1b[5B", b"\x1b[H"])
def test_a_cursor_move_begins_a_new_line(move: bytes) -> None:
    assert stripped(b"menu" + move + b"error: no such device") == b"menu\nerror: no such device"


def test_a_string_that_is_never_closed_does_not_swallow_the_next_line() -> None:
    assert b"live login: " in stripped(b"\x1b]3008;start=0190\r\nlive login: ", b"bell\x07")
    assert b"live login: " in stripped(b"\x1b]3008;start=0190\r\nlive login: bell\x07")


def test_a_sequence_without_end_is_given_back_in_the_end() -> None:
    assert stripped(b"\x1b[" + b"1;" * 2000, b"login: ").endswith(b"login: ")


@given(st.lists(st.binary(max_size=40)))
def test_text_without_escapes_is_left_alone(pieces: list[bytes]) -> None:
    pieces = [piece.replace(b"\x1b", b"") for piece in pieces]
    assert stripped(*pieces) == b"".join(pieces)


@given(st.binary(max_size=200).map(lambda data: data.replace(b"\x1b", b"\x1b[")), st.integers(0, 200))
def test_it_does_not_matter_where_a_read_ends(data: bytes, cut: int) -> None:
    closed = data + b"\r\n."  # so that nothing is held back at the end
    assert stripped(closed[:cut], closed[cut:]) == stripped(closed)


def test_a_whole_log_is_read_as_the_console_was_and_ends_where_a_sequence_is_cut_short() -> None:
    said = b"\x1b[2J\x1b[31mfirst\x1b[0m\r\n\x1bP+q436f\x1b\\second\x1b(B \x1b]3008;start=1\x1b\\third\x1b[1;"
    stripper = EscapeStripper()
    in_pieces = b"".join(stripper.feed(said[n : n + 1]) for n in range(len(said)))
    assert without_escapes(said) == in_pieces == b"\nfirst\r\nsecond third"
