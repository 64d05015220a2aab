"""The journal is evidence: fetched whole through the shell, without secrets, and its absence is told, not judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.verify.local_machine import LocalMachine
from verify.access.choose import GuestSystem
from verify.access.way import AccessChoice
from verify.checks.guest import GuestShell, NoPrivilege, Privilege, RootShell
from verify.engine.events import EventReader, Noted
from verify.engine.journal import JOURNAL_NAME, MOST_BYTES, keep_journal, read_journal
from verify.engine.recorder import Recorder
from verify.engine.session import MachineSession
from verify.machine.firmware import Firmware
from verify.masking import MASK, Mask
from verify.plan import MachineCell, Plan
from verify.verdict import HarnessFault

LINE = "[    1.500000] host systemd[1]: Started it.\n"
MASKED = Mask((SecretStr("secret-word"),))


@pytest.fixture
def machine(tmp_path: Path) -> LocalMachine:
    machine = LocalMachine(tmp_path)
    machine.over["/usr/local"] = machine.directory / "local"
    (machine.directory / "local/bin").mkdir(parents=True)
    return machine


def journalctl(machine: LocalMachine, script: str) -> None:
    """The host's own journal is nobody's business: the machine's journalctl says what the test says."""
    file = machine.directory / "local/bin/journalctl"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_journal_comes_whole_and_without_secrets(machine: LocalMachine) -> None:
    journalctl(machine, f"printf '%s' '{LINE}'; echo 'the password is secret-word'")
    journal = read_journal(machine, RootShell(), MASKED, 30)
    assert journal.text == f"{LINE}the password is {MASK}\n"
    assert journal.note == ""


def test_of_a_long_journal_the_end_is_kept_and_the_rest_is_told(machine: LocalMachine) -> None:
    journalctl(machine, f"yes '{LINE.strip()}' | head -n 60000; echo the last")
    journal = read_journal(machine, RootShell(), MASKED, 30)
    assert MOST_BYTES - 100 < len(journal.text) <= MOST_BYTES
    assert journal.text.startswith(LINE)
    assert journal.text.endswith("the last\n")
    assert "only the last 2 MiB" in journal.note


def test_without_root_the_journal_says_what_it_lacks(machine: LocalMachine) -> None:
    journalctl(machine, "echo mine")
    journal = read_journal(machine, NoPrivilege("test may not sudo"), MASKED, 30)
    assert journal.text == "mine\n"
    assert "not root (test may not sudo)" in journal.note


def test_a_journal_that_is_empty_is_told_with_its_cause(machine: LocalMachine) -> None:
    journalctl(machine, "echo 'No journal files were found, secret-word.' >&2")
    with pytest.raises(HarnessFault, match=r"printed nothing; No journal files were found, \(masked\)"):
        read_journal(machine, RootShell(), MASKED, 30)


@dataclass
class LocalSession:
    """A shell of this host with a recorder: a session as far as a journal goes."""

    machine: LocalMachine
    recorder: Recorder
    why_no_shell: str | None = None

    def shell(self) -> GuestShell:
        return self.machine

    def privilege(self) -> Privilege:
        return RootShell()


@pytest.fixture
def session(machine: LocalMachine, tmp_path: Path) -> LocalSession:
    plan = Plan(Path("/m.iso"), Path("/c.yaml"), tmp_path, ())
    return LocalSession(machine, Recorder(plan, "cell"))


def notes_of(directory: Path) -> list[str]:
    return [event.text for event in EventReader(directory / "events.jsonl").new() if isinstance(event, Noted)]


def test_a_journal_that_is_had_lies_with_the_evidence(session: LocalSession, tmp_path: Path) -> None:
    journalctl(session.machine, "echo Started it")
    keep_journal(session, tmp_path, MASKED)
    assert (tmp_path / JOURNAL_NAME).read_text() == "Started it\n"
    assert notes_of(tmp_path) == []


def test_a_journal_that_cannot_be_had_or_written_is_a_note_and_no_error(session: LocalSession, tmp_path: Path) -> None:
    journalctl(session.machine, "echo secret-word >&2; exit 1")
    keep_journal(session, tmp_path, MASKED)
    journalctl(session.machine, "echo Started it")
    keep_journal(session, tmp_path / "not there", MASKED)
    assert notes_of(tmp_path) == [
        f"no journal: journalctl printed nothing; {MASK}",
        "the journal could not be written: No such file or directory",
    ]


def test_no_machine_no_journal_and_the_report_hears_of_it(tmp_path: Path) -> None:
    cell = MachineCell(Firmware.BIOS)
    plan = Plan(Path("/m.iso"), Path("/c.yaml"), tmp_path, (cell,), access=AccessChoice.PASSWORD)
    session = MachineSession(plan, cell, (), GuestSystem())
    with pytest.raises(HarnessFault):
        session.open_shell()
    keep_journal(session, plan.evidence_of(cell.id), MASKED)
    (note,) = EventReader(plan.events_file).new()
    assert isinstance(note, Noted)
    assert note.text.startswith("no journal: the harness has no shell")
    assert not (plan.evidence_of(cell.id) / JOURNAL_NAME).exists()
