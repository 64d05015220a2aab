"""The helper in the guest, frame by frame."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify_console.noisy_line import login_shell
from verify.console.frames import Upload, again_line, checksums, echo_line, go_line, query_line
from verify.console.serial import SerialConsole
from verify.console.upload import upload_helper
from verify.deadline import Deadline

NONCE = "abcd1234"
WAIT_SECONDS = 20
NOTHING = Upload("i", b"", 240)


@pytest.fixture(params=["dash", "bash", "busybox"])
def guest(request: pytest.FixtureRequest) -> Iterator[tuple[SerialConsole, Path, str]]:
    """A console with a running helper, a directory for traces, and the checksum program."""
    with login_shell(request.param) as (console, _, home):
        kind = upload_helper(console, Deadline(WAIT_SECONDS)).checksum_kind
        yield console, home, kind


Guest = tuple[SerialConsole, Path, str]


def says(console: SerialConsole, frame: str) -> bool:
    """Whether the helper answers with `frame`, a regular expression without the nonce."""
    pattern = re.compile(f"%{NONCE} {frame}\r\n".encode())
    return console.expect_within([pattern], WAIT_SECONDS) == 0


def command(text: str) -> Upload:
    return Upload("c", text.encode(), 240)


def type_request(console: SerialConsole, upload: Upload, kind: str) -> None:
    for line in upload.lines(NONCE):
        console.send(line)
    console.send(go_line(NONCE, upload, NOTHING, kind))


def test_a_command_whose_checksum_is_wrong_is_refused_and_not_run(guest: Guest) -> None:
    console, home, kind = guest
    right = command(f"touch {home}/ran\n")
    for line in right.lines(NONCE):
        console.send(line)
    console.send(go_line(NONCE, command("something else"), NOTHING, kind))
    assert says(console, "b")
    assert not (home / "ran").exists()
    type_request(console, right, kind)
    assert says(console, "k")
    assert says(console, r"s \d+ \S+")
    assert (home / "ran").exists()


def test_a_repeated_request_is_answered_again_and_not_run_again(guest: Guest) -> None:
    console, home, kind = guest
    once = command(f"echo ran >>{home}/ran\n")
    for _ in range(3):
        type_request(console, once, kind)
        assert says(console, r"s \d+ \S+")
    console.send(query_line(NONCE))
    assert says(console, r"s \d+ \S+")
    assert (home / "ran").read_text() == "ran\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace(b" c ", b" "),
        lambda line: line[:-5] + line[-4:],
        lambda line: line.replace(b" 00001 ", b" 0001 "),
        lambda line: line.replace(NONCE.encode(), NONCE[:-1].encode()),
        lambda line: line[:-1],
        lambda line: line.replace(b"p ", b"", 1),
    ],
    ids=["stream", "data", "index", "nonce", "line feed", "verb"],
)
def test_a_piece_that_lost_a_byte_is_reported_missing(guest: Guest, damage: object) -> None:
    console, home, kind = guest
    assert callable(damage)
    upload = command(f"touch {home}/ran\n")
    console.send(damage(next(iter(upload.lines(NONCE)))))
    go = go_line(NONCE, upload, NOTHING, kind)
    console.send(go)
    console.send(go)  # the first may have been swallowed by a line without its end
    assert says(console, "n c 00001")
    assert not (home / "ran").exists()


def test_any_line_of_an_answer_is_said_again_with_its_number(guest: Guest) -> None:
    console, _, kind = guest
    type_request(console, command("head -c 5000 /dev/zero\n"), kind)
    assert says(console, r"s \d+ \S+")
    console.send(again_line(NONCE, [1, 70, 71]))
    assert says(console, f"l 00001:{NONCE}=0")
    assert says(console, "l 00070:A{76}")
    assert says(console, "l 00071:A{76}")


def test_an_interrupt_between_commands_does_nothing(guest: Guest) -> None:
    console, _, _ = guest
    for _ in range(20):
        console.send(b"\x03")
    console.send(b"\n" + echo_line(NONCE))
    assert says(console, "v")


def test_what_looks_like_a_request_and_is_none_is_ignored(guest: Guest) -> None:
    console, home, kind = guest
    for line in (
        f"g {NONCE}",
        f"g {NONCE} 1",
        f"g {NONCE} x y z",
        f"g {NONCE} $(touch${{IFS}}{home}/ran) 0 x -",
        f"p {NONCE} $(touch${{IFS}}{home}/ran) 00001 4 QUJD",
        f"p {NONCE} c 0000a 4 QUJD",
        f"a {NONCE} 1,2p;w{home}/ran",
        f"a {NONCE} 1e;touch${{IFS}}{home}/ran",
        "\0\xff;touch ran;",
        "' \" ` ( \\",
    ):
        console.send(line.encode("latin-1") + b"\n")
    type_request(console, command("echo alive\n"), kind)
    assert says(console, "l 00002:YWxpdmUK")
    assert not (home / "ran").exists()


def test_a_line_that_hangs_up_ends_a_running_command_and_leaves_nothing(tmp_path: Path) -> None:
    with login_shell("dash") as (console, _, _):
        kind = upload_helper(console, Deadline(WAIT_SECONDS)).checksum_kind
        type_request(console, command(f'dirname "$0" >{tmp_path}/d; echo $$ >{tmp_path}/p; sleep 600\n'), kind)
        assert says(console, "k")
        end = Deadline(WAIT_SECONDS)
        while not ((tmp_path / "p").exists() and (tmp_path / "p").read_text()):
            assert not end.expired
            time.sleep(0.01)
    directory, pid = ((tmp_path / name).read_text().strip() for name in "dp")
    end = Deadline(WAIT_SECONDS)
    while Path(directory).exists() or Path(f"/proc/{pid}").exists():
        assert not end.expired
        time.sleep(0.01)


def test_both_checksum_programs_are_spoken() -> None:
    assert checksums(b"hello", "cksum") == "3287646509-5"
    assert checksums(b"hello", "sha256sum").startswith("2cf24dba")
