"""Brings the helper into the guest, through a login shell and a line that loses bytes.

One typed line starts a loader that takes the helper in short pieces; it is guarded by its own length, so
that a line with a byte missing does nothing. The pieces are compared by checksum before anything of them
runs. Everything lies in one directory of a random name, readable by the user alone.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from importlib.resources import files

from verify.console.frames import Answer, checksums, echo_line, new_nonce
from verify.console.serial import SerialConsole
from verify.deadline import Deadline
from verify.machine.failure import ConsoleLost

_PIECE_LENGTH = 120
_REPLY_SECONDS = 0.6
_INTERRUPT = b"\x03"
# Pieces typed before the loader is asked what it has: below the 4,096 bytes a terminal holds (n_tty).
_BATCH = 24

# Read by the shell as ONE word between single quotes: no single quote may stand in it. $PWD is kept for the
# commands, the terminal settings for the end. /dev/shm first, because nothing of it is ever written to a
# disk.
_LOADER = (
    "s=$(stty -g);stty -echo;w=$PWD;m=$(umask);umask 77;"
    "for t in /dev/shm /run/user/$(id -u) /tmp;do [ -w $t ]&&mkdir -p $t/DIRECTORY&&cd $t/DIRECTORY&&break;"
    "done 2>/dev/null||exit;"
    "echo %NONCE$((6*7));"
    "while read -r a b c;do case $a in "
    f"p)[ ${{#b}}${{#c}} = 2{_PIECE_LENGTH} ]&&echo $c>$b;;"
    "s)sha256sum ??||cksum ??;;"
    'x)cat ??|base64 -d>h;exec sh h $PWD "$s" $m "$w";;'
    "esac;done 2>/dev/null"
)
_SHA256_LINE = re.compile(rb"([0-9a-f]{64})  (\d\d)\r?\n")
_CKSUM_LINE = re.compile(rb"(\d+ \d+) (\d\d)\r?\n")


@dataclass(frozen=True)
class Uploaded:
    """A helper that runs in the guest, and the checksum program it uses."""

    checksum_kind: str


def upload_helper(console: SerialConsole, deadline: Deadline) -> Uploaded:
    """Puts the helper into the guest and starts it, from the prompt of a login shell.

    Raises `ConsoleLost` when that has not worked by the deadline, or when the guest still echoes what is
    typed.
    """
    _start_loader(console, deadline)
    kind = _load_pieces(console, deadline)
    _start_helper(console, kind, deadline)
    return Uploaded(kind)


def helper_text() -> bytes:
    """The helper without comments and indentation, to save time on a slow line."""
    source = files("verify.console").joinpath("helper.sh").read_text()
    lines = (line.strip() for line in source.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#")).encode()


def _reply_seconds(console: SerialConsole, deadline: Deadline) -> float:
    return min(_REPLY_SECONDS * console.time_scale, deadline.remaining)


def _start_loader(console: SerialConsole, deadline: Deadline) -> None:
    # One directory for all attempts: an attempt whose answer was lost must not leave another behind.
    directory = f"mic-{new_nonce()}"
    while True:
        nonce = new_nonce()
        loader = _LOADER.replace("NONCE", nonce).replace("DIRECTORY", directory)
        # The leading space and the unset keep the line out of the user's history.
        typed = f" unset HISTFILE;l='{loader}';[ ${{#l}} = {len(loader)} ]&&sh -c \"$l\"\n".encode()
        started = re.compile(rf"%{nonce}42".encode())
        console.send(typed)
        if console.expect_within([started], _reply_seconds(console, deadline)) is not None:
            return
        if deadline.expired:
            raise ConsoleLost("no shell answers on the console", console.circumstances)
        # Whatever state that left, an open quote or a running loader: back to the prompt.
        console.send(_INTERRUPT + b"\n stty echo\n")


def _load_pieces(console: SerialConsole, deadline: Deadline) -> str:
    """Uploads the pieces; returns the checksum program the guest has."""
    pieces = _pieces()
    lacking = set(pieces)
    kind = ""
    while lacking:
        if deadline.expired:
            raise ConsoleLost("the helper could not be uploaded", console.circumstances)
        console.forget()
        batch = sorted(lacking)[:_BATCH]
        for name in batch:
            console.send(f"p {name} {pieces[name].decode()}\n".encode())
        console.send(b"s - -\n")
        heard = b""
        # A kernel that never stops talking must not keep us here.
        while lacking.intersection(batch) and (chunk := console.read_available(_reply_seconds(console, deadline))):
            heard += chunk
            for pattern, program in ((_SHA256_LINE, "sha256sum"), (_CKSUM_LINE, "cksum")):
                for checksum, name_bytes in pattern.findall(heard):
                    name = name_bytes.decode()
                    # The loader's echo ends the piece with a line feed; cksum(1) has a blank for our "-".
                    right = checksums(pieces.get(name, b"") + b"\n", program).replace("-", " ")
                    if checksum.decode() == right:
                        lacking.discard(name)
                        kind = program
    return kind


def _pieces() -> dict[str, bytes]:
    text = helper_text()
    # Blank lines make every piece equally long, so that the loader can refuse a short one.
    text += b"\n" * (-len(text) % (_PIECE_LENGTH // 4 * 3))
    encoded = base64.b64encode(text)
    return {
        f"{number:02d}": encoded[start : start + _PIECE_LENGTH]
        for number, start in enumerate(range(0, len(encoded), _PIECE_LENGTH), start=1)
    }


def _start_helper(console: SerialConsole, kind: str, deadline: Deadline) -> None:
    answer = Answer(new_nonce(), kind)
    heard = b""
    while not answer.echoed:
        if deadline.expired:
            raise ConsoleLost("the helper does not start", console.circumstances)
        console.send(b"x - -\n" + echo_line(answer.nonce))
        reply = Deadline(_reply_seconds(console, deadline))
        while not (answer.echoed or reply.expired):
            heard += console.read_available(reply.remaining)
            for line in heard.decode("latin-1").split("\n"):
                answer.take(line)
    # The reply is "%NONCE v"; the request, were it echoed, "e NONCE".
    if echo_line(answer.nonce).strip() in heard:
        raise ConsoleLost("the guest echoes what is typed: nothing secret may be sent", console.circumstances)
