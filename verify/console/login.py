"""Logging in on the console as a person would, and telling the ways apart in which that can end.

The messages are those of login(1) of util-linux and of shadow, Linux-PAM 1.4 to 1.7 and agetty(8).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from verify.console.serial import SerialConsole
from verify.deadline import Deadline
from verify.machine.failure import ConsoleLost
from verify.machine.phase import LOGIN_PROMPT, Phase

# Seconds of a KVM machine, stretched by the console's time scale. A boot may be silent for long while it
# unpacks an initrd; a getty is not.
_BOOT_SILENCE_SECONDS = 25.0
_NUDGE_SECONDS = 3.0
# Longer than the pause pam_faildelay makes before it says that a password is wrong: 3 s by default.
_SHELL_QUIET_SECONDS = 5.0
_PROBE_SECONDS = 1.5
_SETTLE_SECONDS = 0.3
_INTERRUPT = b"\x03"
_END_OF_FILE = b"\x04"
_QUESTION = "echo at-$(("


class LoginResult(Enum):
    """How a login ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "password expired"
    LOCKED_OUT = "account locked or expired"
    NO_SHELL = "accepted, but no shell"


class _Sign(Enum):
    """What login(1) has shown."""

    PASSWORD = re.compile(rb"[Pp]assword(?: for [^:\r\n]{1,64})?: ?")
    REFUSED = re.compile(rb"Login incorrect|Authentication failure")
    EXPIRED = re.compile(
        rb"required to change your password|[Pp]assword (?:has )?expired|Current password:"
        rb"|\(current\) UNIX password|[Nn]ew password:|Changing password for"
    )
    LOCKED_OUT = re.compile(rb"[Aa]ccount (?:has expired|(?:is )?(?:temporarily )?locked|has been locked)")
    NO_SHELL = re.compile(rb"account is currently not available")
    NOT_YET = re.compile(rb"System is (?:booting up|going down)")
    TIMED_OUT = re.compile(rb"Login timed out")
    PROMPT = re.compile(LOGIN_PROMPT.pattern.encode())
    SHELL = re.compile(rb"[$#%>] ?\Z")


_ONE_MORE = re.compile(rb"(?s)(?=.)")
_KERNEL_LINE = re.compile(rb"\[ *\d+\.\d{6}\] ")
_BEFORE_PASSWORD = (_Sign.PASSWORD, _Sign.REFUSED, _Sign.LOCKED_OUT, _Sign.NOT_YET, _Sign.TIMED_OUT, _Sign.PROMPT)
_AFTER_PASSWORD = tuple(sign for sign in _Sign if sign is not _Sign.PASSWORD)
_RESULTS = {
    _Sign.REFUSED: LoginResult.REFUSED,
    _Sign.EXPIRED: LoginResult.EXPIRED,
    _Sign.LOCKED_OUT: LoginResult.LOCKED_OUT,
    _Sign.NO_SHELL: LoginResult.NO_SHELL,
}


def wait_for_login_prompt(console: SerialConsole, deadline: Deadline) -> None:
    """Waits through a boot until a getty asks for a name.

    Raises what `SerialConsole.await_boot` raises.
    """
    if not LOGIN_PROMPT.search(console.unfinished_line):
        console.await_boot(
            "login prompt",
            [_Sign.PROMPT.value],
            deadline,
            silence=_BOOT_SILENCE_SECONDS,
            nudge_after=_NUDGE_SECONDS,
        )
    console.reached(Phase.LOGIN)


def log_in(console: SerialConsole, user: str, password: str, deadline: Deadline, *, refusals: int = 1) -> LoginResult:
    """Tries `password` for `user`; ACCEPTED means that a shell has answered.

    Starts from a login prompt or on the way to one. An attempt whose name was not echoed whole, or that a
    kernel message ran into, is made again. A password is not echoed, so a byte lost of it cannot be seen:
    where it should be accepted, ask for more than one of `refusals`; where it should not, one try is
    enough and more could lock the account. Raises `ConsoleLost` when nothing comes of it by the deadline, and what
    any wait on the console raises. Neither name nor password reaches an error text; the password reaches
    no log either, even if the guest should echo it.
    """
    suspicions: list[LoginResult] = []
    while True:
        _await_fresh_prompt(console, deadline)
        console.reached(Phase.LOGIN)
        finding = _attempt(console, user, password, deadline)
        if finding.result is None:
            continue
        if finding.result is LoginResult.REFUSED and finding.certain and refusals > 1:
            refusals -= 1
            continue
        # Twice the same, each time with noise: it is not the noise.
        if finding.certain or finding.result in suspicions:
            return finding.result
        suspicions.append(finding.result)


def log_out(console: SerialConsole, deadline: Deadline) -> None:
    """Leaves the login shell and waits for the next login prompt.

    Raises `ConsoleLost` when there is none by the deadline.
    """
    if LOGIN_PROMPT.search(console.unfinished_line):
        return
    console.forget()
    console.send(b" exit\r")
    while True:
        if _see(console, [_Sign.PROMPT], _NUDGE_SECONDS * console.time_scale, deadline) is not None:
            return
        _refuse_lateness(deadline, "no login prompt after logging out", console)
        # Perhaps in the middle of a line, perhaps there already: then Enter brings the prompt back.
        console.send(_INTERRUPT + b"\r exit\r" if not _at_getty(console) else b"\r")


@dataclass(frozen=True)
class _Finding:
    """What one attempt showed; without a result it has to be made again."""

    result: LoginResult | None
    certain: bool = False


def _attempt(console: SerialConsole, user: str, password: str, deadline: Deadline) -> _Finding:
    console.forget()
    console.send(user.encode() + b"\r")
    sign = _see(console, _BEFORE_PASSWORD, 2 * _NUDGE_SECONDS * console.time_scale, deadline)
    heard = _heard(console)
    # The getty echoes the name: a name that lost a byte would be refused for a reason of ours.
    clean = user.encode() in heard and not _KERNEL_LINE.search(heard)
    if sign in (_Sign.LOCKED_OUT, _Sign.REFUSED):
        return _Finding(_RESULTS[sign], certain=clean)
    if (sign is None or (sign is _Sign.PROMPT and _more_follows(console))) and _shell_answers(
        console, deadline.at_most(_NUDGE_SECONDS * console.time_scale)
    ):
        return _Finding(LoginResult.ACCEPTED, certain=True)  # an account without any password
    if sign is not _Sign.PASSWORD:
        return _Finding(None)
    with console.guarding(password):
        console.send(password.encode() + b"\r")
        finding = _judge_answer(console, deadline)
    if finding.result is LoginResult.REFUSED:
        return _Finding(finding.result, certain=clean and finding.certain)
    return finding


def _judge_answer(console: SerialConsole, deadline: Deadline) -> _Finding:
    """What login(1) says to a password."""
    while True:
        sign = _see(console, _AFTER_PASSWORD, _SHELL_QUIET_SECONDS * console.time_scale, deadline)
        clean = not _KERNEL_LINE.search(_heard(console))
        if sign in _RESULTS:
            return _Finding(_RESULTS[sign], certain=clean or sign is not _Sign.REFUSED)
        if sign is _Sign.PROMPT:
            if not _more_follows(console):
                # No complaint and a new getty: the session ended as soon as it began (/bin/false), or the
                # complaint was garbled. Only the same again tells.
                return _Finding(LoginResult.NO_SHELL)
            # Words of a message of the day, or a prompt under a kernel line: Enter tells.
            console.send(b"\r")
            continue
        if sign in (_Sign.NOT_YET, _Sign.TIMED_OUT):
            return _Finding(None)
        # Something like a shell's prompt, or silence: ask. A message of the day does not answer.
        if _shell_answers(console, deadline.at_most(_PROBE_SECONDS * console.time_scale)):
            return _Finding(LoginResult.ACCEPTED, certain=True)
        if deadline.expired and _QUESTION.encode() in console.buffer:
            # What is typed is echoed, and nobody refuses or asks for a name: a session of something else.
            console.send(_INTERRUPT + _END_OF_FILE)
            return _Finding(LoginResult.NO_SHELL, certain=True)
        _refuse_lateness(deadline, "neither a shell nor a refusal after a password", console)


def _shell_answers(console: SerialConsole, deadline: Deadline) -> bool:
    """Whether something computes: it stands where the echo of the question cannot."""
    first, second = (secrets.randbelow(9000) + 1000 for _ in range(2))
    question = f" unset HISTFILE; {_QUESTION}{first}*{second}))-home\r"
    answer = re.compile(f"at-{first * second}-home".encode())
    console.send(question.encode())
    return console.expect_within([answer], deadline.remaining) is not None


def _await_fresh_prompt(console: SerialConsole, deadline: Deadline) -> None:
    """Waits until the line that has not ended is a login prompt.

    Enter brings back one that got lost; where it does not, a session may have been left open.
    """
    nudges = 0
    while not _at_getty(console):
        if _see(console, [_Sign.PROMPT], _NUDGE_SECONDS * console.time_scale, deadline) is None:
            _refuse_lateness(deadline, "no login prompt", console)
            nudges += 1
            console.send(b"\r" if nudges % 3 else _INTERRUPT + b"\r exit\r")


def _more_follows(console: SerialConsole) -> bool:
    """Whether the console goes on talking after the latest match. Consumes nothing."""
    return console.expect_within([_ONE_MORE], _SETTLE_SECONDS * console.time_scale) is not None


def _at_getty(console: SerialConsole) -> bool:
    return LOGIN_PROMPT.search(console.unfinished_line) is not None


def _see(console: SerialConsole, signs: Sequence[_Sign], seconds: float, deadline: Deadline) -> _Sign | None:
    index = console.expect_within([sign.value for sign in signs], deadline.at_most(seconds).remaining)
    return None if index is None else signs[index]


def _heard(console: SerialConsole) -> bytes:
    """What stood before the latest match."""
    return console.before if isinstance(console.before, bytes) else b""


def _refuse_lateness(deadline: Deadline, what: str, console: SerialConsole) -> None:
    if deadline.expired:
        raise ConsoleLost(f"{what} within {deadline.seconds:.0f} s", console.circumstances)
