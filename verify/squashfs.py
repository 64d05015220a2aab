"""Reads the rootfs inside a medium's squashfs, in place: nothing is mounted, nothing extracted."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from mic.programs import ProgramFailed, run, started
from verify.verdict import HarnessFault, ProductFailure

# "drwxr-xr-x 0/0    332 2026-11-23 20:26 squashfs-root/etc", as unsquashfs -lln prints; a device has its
# numbers in place of a size. A name may hold anything, so the pattern ends where the name begins.
_LINE = re.compile(
    r"(?P<kind>[-dlbcps])(?P<mode>\S{9}) (?P<uid>\d+)/(?P<gid>\d+)\s+(?P<size>\d+)(?:,\s*\d+)?"
    r" \S+ \S+ squashfs-root(?P<path>/.*)?"
)
_MOST_LINKS = 40
_TIMEOUT_SECONDS = 120
_COMPLETE_TIMEOUT_SECONDS = 1800
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class RootfsEntry:
    """One entry of the rootfs: `kind` as ls writes it (``-``, ``d``, ``l``...), `target` of a link."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    target: str | None = None


@dataclass(frozen=True)
class RootfsOnMedium:
    """The squashfs that begins `offset` bytes into `iso`."""

    iso: Path
    offset: int

    @cached_property
    def entries(self) -> Mapping[PurePosixPath, RootfsEntry]:
        """Every entry by its path; raises `ProductFailure` when the squashfs cannot be listed."""
        try:
            completed = run("unsquashfs", "-o", str(self.offset), "-lln", self.iso, timeout=_TIMEOUT_SECONDS)
        except ProgramFailed as error:
            raise ProductFailure(f"the squashfs cannot be read: {error.completed.complaint}") from error
        entries = parse_listing(completed.stdout.decode(errors="surrogateescape"))
        if PurePosixPath("/") not in entries:
            raise HarnessFault("unsquashfs printed a listing without the root directory")
        return entries

    def read_everything(self) -> int:
        """Reads and decompresses every block of every file; returns how many bytes came out.

        Raises `ProductFailure` when one cannot be. unsquashfs writes it all as a pseudo file, which is thrown
        away: nothing is kept, and nothing needs a privilege.
        """
        with tempfile.TemporaryFile() as complaints:
            # By its path: unsquashfs 4.5.1 takes "-" for a file's name and leaves 400 MB in the caller's directory.
            arguments = ("unsquashfs", "-o", str(self.offset), "-strict-errors", "-pf", "/dev/stdout", self.iso)
            total = 0
            with started(*arguments, stderr=complaints) as process:
                assert process.stdout is not None
                deadline = time.monotonic() + _COMPLETE_TIMEOUT_SECONDS
                while block := process.stdout.read(_READ_BYTES):
                    total += len(block)
                    if time.monotonic() > deadline:
                        raise HarnessFault("the squashfs was not read to its end in time")
                code = process.wait()
            if code != 0:
                complaints.seek(0)
                lines = complaints.read().decode(errors="replace").strip().splitlines()
                raise ProductFailure(f"the squashfs is damaged: {lines[-1] if lines else f'exit code {code}'}")
        return total

    def find(self, path: PurePosixPath) -> tuple[PurePosixPath, RootfsEntry] | None:
        """The entry that `path` leads to, symbolic links followed inside the rootfs; None where it ends.

        unsquashfs 4.5.1 follows no relative link upwards, so this does.
        """
        entries = self.entries
        done, rest, links = PurePosixPath("/"), list(path.parts[1:]), 0
        while rest:
            part = rest.pop(0)
            if part == "..":
                done = done.parent
                continue
            entry = entries.get(done / part)
            if entry is None:
                return None
            if entry.target is None:
                done = done / part
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            target = PurePosixPath(entry.target)
            if target.is_absolute():
                done = PurePosixPath("/")
            rest = [p for p in target.parts if p != "/"] + rest
        entry = entries.get(done)
        return None if entry is None else (done, entry)

    def read(self, path: PurePosixPath) -> bytes:
        """A file's content; raises `ProductFailure` when there is no such file."""
        found = self.find(path)
        if found is None or found[1].kind != "-":
            raise ProductFailure(f"the rootfs has no file {path}")
        # Braces: unsquashfs takes its arguments for shell patterns.
        literal = re.sub(r"([*?\[\]\\])", r"\\\1", str(found[0])[1:])
        try:
            return run("unsquashfs", "-o", str(self.offset), "-cat", self.iso, literal, timeout=_TIMEOUT_SECONDS).stdout
        except ProgramFailed as error:
            raise ProductFailure(f"{path} cannot be read: {error.completed.complaint}") from error

    def read_text(self, path: str) -> str:
        """A file's content as text, bytes that are no UTF-8 replaced."""
        return self.read(PurePosixPath(path)).decode(errors="replace")


def parse_listing(text: str) -> dict[PurePosixPath, RootfsEntry]:
    """What ``unsquashfs -lln`` printed; lines of another form are parts of names and are passed over."""
    entries = {}
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        path, target = match["path"] or "/", None
        if match["kind"] == "l":
            path, _, target = path.partition(" -> ")
        entries[PurePosixPath(path)] = RootfsEntry(
            match["kind"], _mode(match["mode"]), int(match["uid"]), int(match["gid"]), int(match["size"]), target
        )
    return entries


def _mode(letters: str) -> int:
    """``rwxr-sr-t`` as a number."""
    mode = 0
    for position, letter in enumerate(letters):
        bit = 1 << (8 - position)
        if letter in "rwxst":
            mode |= bit
        if letter in "sStT":
            mode |= {2: 0o4000, 5: 0o2000, 8: 0o1000}[position]
    return mode
