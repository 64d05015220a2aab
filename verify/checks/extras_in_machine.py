"""Commands that a scenario brings."""

from __future__ import annotations

from verify.checks.guest import Answer, Guest, in_machine
from verify.expectations.extras import CommandShows
from verify.verdict import ProductFailure


@in_machine.of(CommandShows)
def command_shows(subject: CommandShows, guest: Guest) -> str:
    run = guest.run_as_root if subject.as_root else guest.run
    return judge_answer(subject, run(subject.command))


def judge_answer(subject: CommandShows, answer: Answer) -> str:
    """Raises `ProductFailure` when exit code or output are not as the scenario says."""
    if answer.exit_code != subject.exit_code:
        said = answer.stderr or answer.stdout
        raise ProductFailure(f"exit code {answer.exit_code}, expected {subject.exit_code}: {said}")
    printed = answer.stdout.strip()
    if subject.prints is not None and printed != subject.prints.strip():
        raise ProductFailure(f"printed {printed!r}, expected {subject.prints.strip()!r}")
    if subject.contains is not None and subject.contains not in printed:
        raise ProductFailure(f"printed {printed!r}, which lacks {subject.contains!r}")
    return printed or f"exit code {answer.exit_code}"
