"""SSH keys that a user is to be let in by: their file as sshd wants it, on the medium and in the machine.

sshd passes over the keys when others may write to the file, its directory or the home (StrictModes, sshd_config(5)).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from verify.checks import accounts
from verify.checks.guest import Guest, in_machine
from verify.checks.on_medium import Reader, on_medium
from verify.expectations.users import KeysAuthorized
from verify.verdict import HarnessFault, ProductFailure

_WRITABLE_BY_OTHERS = 0o022
_ANYTHING_FOR_OTHERS = 0o077
_ROOT = 0


@dataclass(frozen=True)
class Owned:
    """A file or directory on the way to the keys: its owner's UID and its permission bits."""

    path: PurePosixPath
    uid: int
    mode: int

    @property
    def shown(self) -> str:
        return f"{self.path} (UID {self.uid}, mode {self.mode:04o})"


def paths_to_keys(home: str) -> tuple[PurePosixPath, PurePosixPath, PurePosixPath]:
    """The home, the directory of the keys and their file."""
    directory = PurePosixPath(home, ".ssh")
    return PurePosixPath(home), directory, directory / "authorized_keys"


def judge_keys(subject: KeysAuthorized, uid: int, way: tuple[Owned, Owned, Owned], lines: Iterable[str]) -> str:
    """`way`: home, directory and file. Raises `ProductFailure` for another owner, a wide mode, or lost keys."""
    home, directory, file = way
    if home.uid not in (uid, _ROOT) or home.mode & _WRITABLE_BY_OTHERS:
        raise ProductFailure(f"the home of {subject.name} is open to others: {home.shown}")
    for what in (directory, file):
        if what.uid != uid or what.mode & _ANYTHING_FOR_OTHERS:
            raise ProductFailure(f"{what.shown} is not for {subject.name} alone, who has the UID {uid}")
    found = frozenset(line.strip() for line in lines)
    missing = [key for key in subject.keys if key not in found]
    if missing:
        raise ProductFailure(f"{len(missing)} of {len(subject.keys)} keys of {subject.name} are missing")
    return f"{len(subject.keys)} keys; {directory.shown}, {file.shown}"


@on_medium.of(KeysAuthorized)
def keys_on_medium(subject: KeysAuthorized, reader: Reader) -> str:
    passwd = accounts.passwd_line(reader.text("/etc/passwd"), subject.name)
    home, directory, file = (_on_medium(path, reader) for path in paths_to_keys(passwd.home))
    way = (home, directory, file)
    reader.notebook.note(f"looked up the keys of {subject.name} in the squashfs", "\n".join(one.shown for one in way))
    return judge_keys(subject, passwd.uid, way, reader.text(str(file.path)).split("\n"))


def _on_medium(path: PurePosixPath, reader: Reader) -> Owned:
    found = reader.rootfs().find(path)
    if found is None:
        raise ProductFailure(f"the rootfs has no {path}")
    return Owned(path, found[1].uid, found[1].mode)


@in_machine.of(KeysAuthorized)
def keys_in_machine(subject: KeysAuthorized, guest: Guest) -> str:
    # 2: no such key (getent(1)).
    line = guest.run(f"getent passwd {shlex.quote(subject.name)}").expect(0, 2).stdout
    passwd = accounts.passwd_line(line, subject.name)
    paths = paths_to_keys(passwd.home)
    quoted = " ".join(shlex.quote(str(path)) for path in paths)
    answer = guest.run_as_root(f"stat -L -c '%u %a' {quoted} && cat {shlex.quote(str(paths[2]))}").expect(0, 1)
    if answer.exit_code != 0:
        raise ProductFailure(f"{subject.name} has no authorized_keys: {answer.stderr}")
    lines = answer.stdout.split("\n")
    home, directory, file = _owned(paths, lines[:3])
    return judge_keys(subject, passwd.uid, (home, directory, file), lines[3:])


def _owned(paths: tuple[PurePosixPath, ...], lines: list[str]) -> Iterator[Owned]:
    for path, line in zip(paths, lines, strict=True):
        uid, _, mode = line.partition(" ")
        if not (uid.isdigit() and mode.isdigit()):
            raise HarnessFault(f"stat printed {line!r}")
        yield Owned(path, int(uid), int(mode, 8))
