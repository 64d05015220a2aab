"""Commands in the guest over the serial line; an answer is confirmed, or it is an error.

No exit code and no byte of output is returned that a checksum computed in the guest does not confirm
(facts of the line: kernel messages in between, bytes lost on the way in and out). A command runs once, how
often its request may have to be repeated.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from verify.console.frames import (
    Answer,
    Outcome,
    Upload,
    again_line,
    echo_line,
    go_line,
    leave_lines,
    new_nonce,
    query_line,
)
from verify.console.serial import SerialConsole
from verify.console.upload import upload_helper
from verify.deadline import Deadline
from verify.machine.failure import CommandTimedOut, ConsoleLost
from verify.machine.phase import LOGIN_PROMPT

_SHORTEST_PIECE = 120
_LONGEST_PIECE = 3000  # with its frame below the 4,095 bytes of a canonical terminal line
_FRAME_BYTES = 30
# Before anything is known of a line: one byte lost in so many.
_PRESUMED_BYTES_PER_LOSS = 3000
# Typed before the guest is asked whether it keeps up: a serial driver holds 64 KiB, then drops.
_WINDOW_BYTES = 8192
_FIRST_REPLY_SECONDS = 0.25
_SHORTEST_REPLY_SECONDS = 0.05
_LONGEST_REPLY_SECONDS = 5.0
# How long the helper may say nothing at all while it has nothing to do but answer.
_SILENCE_SECONDS = 30.0
_INTERRUPT_SECONDS = 1.0
_MOST_VAIN_TRIES = 30
_MARKED_CHARACTERS = 160
_MOST_REFUSALS = 10
_INTERRUPT = b"\x03"


@dataclass(frozen=True)
class CommandResult:
    """What a command in the guest left; `seconds` from the request to the confirmed answer."""

    command: str
    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Standard output as text, without the line feeds at its end."""
        return self.stdout.decode(errors="replace").rstrip("\n")


class Shell:
    """A way to run commands as the user who is logged in on the console. Made by `Shell.open`."""

    def __init__(self, console: SerialConsole, checksum_kind: str) -> None:
        self._console = console
        self._kind = checksum_kind
        self._typed_bytes = 0
        self._lost_pieces = 0
        self._reply_seconds = _FIRST_REPLY_SECONDS * console.time_scale
        self._unread = ""
        self._open = True

    @classmethod
    def open(cls, console: SerialConsole, deadline: Deadline) -> Shell:
        """Takes over a fresh login shell (dash, bash, busybox) until `close`.

        Raises `ConsoleLost` when no shell answers by the deadline.
        """
        return cls(console, upload_helper(console, deadline).checksum_kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60) -> CommandResult:
        """Runs `command` with sh and returns its confirmed result.

        It runs without a terminal, in the directory and with the umask of the login. `stdin` may hold
        secrets: it is never shown, and no file of it stays. The command itself is shown in the transcript.
        Output goes through memory of the guest and, in base64, into the raw serial log; more than 5 MB is
        an error. Raises `CommandTimedOut` after `timeout` seconds of a KVM machine, stretched by the console's
        time scale (the command is ended and the shell lives on), `ConsoleLost` when no answer can be confirmed,
        and what any wait on the console raises.
        """
        begin = time.monotonic()
        self._console.mark(f"$ {_shortened(command)}")
        answer = Answer(new_nonce(), self._kind)
        while not self._request(answer, f"{command}\n".encode(), stdin):
            answer = Answer(new_nonce(), self._kind)
        self._await_end(answer, command, timeout)
        outcome = self._collect(answer)
        seconds = time.monotonic() - begin
        self._console.mark(f"exit code {outcome.exit_code} after {seconds:.2f} s")
        return CommandResult(command, outcome.exit_code, outcome.stdout, outcome.stderr, seconds)

    def close(self) -> None:
        """Ends the helper and removes all it has left; the login shell is at its prompt again."""
        if not self._open:
            return
        self._open = False
        answer = Answer(new_nonce(), self._kind)
        silence = Deadline(_SILENCE_SECONDS * self._console.time_scale)
        while not answer.echoed:
            self._refuse_silence(silence)
            self._console.send(leave_lines(answer.nonce))
            self._listen(answer, max(self._reply_seconds, _FIRST_REPLY_SECONDS))

    # The three steps of a command

    def _request(self, answer: Answer, command: bytes, stdin: bytes) -> bool:
        """Repeats the request until the helper says that the command runs, or has run.

        False when the line loses so much that it is better to begin again with shorter pieces; the command
        has not run then, since pieces of it were missing.
        """
        length = self._piece_length
        uploads = (Upload("c", command, length), Upload("i", stdin, length))
        self._type_pieces(answer, uploads)
        reply = self._reply_seconds
        silence = self._silence()
        refusals = 0
        while True:
            sent = time.monotonic()
            self._console.send(go_line(answer.nonce, *uploads, self._kind))
            heard = self._listen(answer, reply)
            if answer.running or answer.summary is not None:
                self._learn_reply_time(time.monotonic() - sent)
                return True
            if heard:
                silence = self._silence()
                reply = self._reply_seconds
            else:  # the "go" or the answer to it was lost
                self._refuse_silence(silence)
                reply = min(reply * 2, _LONGEST_REPLY_SECONDS)
            missing = answer.take_missing()
            if missing:
                self._lost_pieces += sum(len(numbers) for numbers in missing.values())
                if self._piece_length < length // 3:
                    return False
                self._type_pieces(answer, uploads, missing)
            if answer.refused:  # all pieces looked whole, the sum does not fit: nobody knows which is wrong
                refusals += 1
                if refusals > _MOST_REFUSALS:
                    raise self._lost("a command could not be sent: its checksum never fits")
                self._type_pieces(answer, uploads)
                answer.refused = False

    def _await_end(self, answer: Answer, command: str, timeout: float) -> None:
        """Waits for the summary that ends an answer; ends the command after its time."""
        end = Deadline(timeout * self._console.time_scale)
        reply = self._reply_seconds
        while answer.summary is None and not end.expired:
            if not self._listen(answer, min(reply, end.remaining)):
                self._refuse_ended_session()
                self._console.send(query_line(answer.nonce))
                reply = min(reply * 1.5, _LONGEST_REPLY_SECONDS)
        if answer.summary is not None:
            return
        silence = self._silence()
        while answer.summary is None:
            self._refuse_silence(silence)
            self._console.send(_INTERRUPT)
            self._console.send(b"\n" + query_line(answer.nonce))
            # Each ^C empties the terminal's input, so it needs time to be answered.
            self._listen(answer, _INTERRUPT_SECONDS * self._console.time_scale)
        raise CommandTimedOut(f"still running after {end.seconds:g} s: {command}", self._console.circumstances)

    def _collect(self, answer: Answer) -> Outcome:
        """Asks for lines again until the whole answer is confirmed."""
        reply = self._reply_seconds
        silence = self._silence()
        held = 0
        vain = 0
        while vain < _MOST_VAIN_TRIES:
            outcome = answer.outcome()
            if outcome is not None:
                return outcome
            lacking = answer.lacking
            vain = 0 if answer.held > held else vain + 1
            held = answer.held
            # The summary that follows the lines tells that all of them are through.
            answer.summary = None
            request = again_line(answer.nonce, lacking) if lacking else b""
            self._console.send(request + query_line(answer.nonce))
            while answer.summary is None:
                if self._listen(answer, reply):
                    silence = self._silence()
                else:
                    self._refuse_silence(silence)
                    self._console.send(query_line(answer.nonce))
                    reply = min(reply * 2, _LONGEST_REPLY_SECONDS)
        raise self._lost("the answer to a command could not be confirmed")

    # The line

    def _listen(self, answer: Answer, seconds: float) -> bool:
        """Takes frames until one ends a wait or `seconds` pass without any; True if there were some."""
        heard = False
        quiet = Deadline(seconds)
        while True:
            text = self._console.read_available(quiet.remaining).decode("latin-1")
            if not text and quiet.expired:
                return heard
            *lines, self._unread = (self._unread + text).split("\n")
            if any([answer.take(line) for line in lines]):
                heard = True
                quiet = Deadline(seconds)
            if answer.unwritten:
                raise self._lost("the guest has no room to write an answer down")
            if answer.too_long:
                raise self._lost("the output of a command is too long for the console")
            if answer.summary is not None or answer.refused or answer.reported or answer.echoed:
                return True
            if answer.running and heard:
                return True

    def _type_pieces(
        self,
        answer: Answer,
        uploads: tuple[Upload, Upload],
        wanted: Mapping[str, frozenset[int]] | None = None,
    ) -> None:
        """Types all pieces, or those `wanted` of each stream."""
        typed = 0
        for upload in uploads:
            numbers = None if wanted is None else wanted.get(upload.stream, frozenset())
            for line in upload.lines(answer.nonce, numbers):
                self._console.send(line)
                typed += len(line)
                self._typed_bytes += len(line)
                if typed >= _WINDOW_BYTES:
                    typed = 0
                    self._console.send(echo_line(answer.nonce))
                    self._listen(answer, self._reply_seconds * 4)
                    answer.echoed = False

    @property
    def _piece_length(self) -> int:
        """The length that costs least on this line: long ones get lost, short ones carry much frame."""
        per_loss = (self._typed_bytes + _PRESUMED_BYTES_PER_LOSS) / (self._lost_pieces + 1)
        return int(min(max(math.sqrt(_FRAME_BYTES * per_loss), _SHORTEST_PIECE), _LONGEST_PIECE))

    def _learn_reply_time(self, seconds: float) -> None:
        wished = 3 * seconds
        mean = 0.7 * self._reply_seconds + 0.3 * wished
        self._reply_seconds = min(max(mean, _SHORTEST_REPLY_SECONDS), _LONGEST_REPLY_SECONDS)

    def _silence(self) -> Deadline:
        return Deadline(_SILENCE_SECONDS * self._console.time_scale)

    def _refuse_silence(self, silence: Deadline) -> None:
        self._refuse_ended_session()
        if silence.expired:
            raise self._lost("the shell in the guest does not answer any more")

    def _refuse_ended_session(self) -> None:
        if LOGIN_PROMPT.search(self._console.unfinished_line):
            raise self._lost("the session has ended: the console shows a login prompt")

    def _lost(self, cause: str) -> ConsoleLost:
        return ConsoleLost(cause, self._console.circumstances)


def _shortened(command: str) -> str:
    """A command on one line of bearable length."""
    line = " ".join(command.split())
    return line if len(line) <= _MARKED_CHARACTERS else f"{line[:_MARKED_CHARACTERS]}..."
