"""The one door to external programs: every one is logged, bounded in time, and killed with its caller.

What goes in is an argument list; secrets go through `stdin`, never through an argument.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mic.errors import UserError

log = logging.getLogger(__name__)

Argument = str | Path
DEFAULT_TIMEOUT_SECONDS = 1800.0
_OUTPUT_TAIL_LINES = 20

# Which Debian package brings a program that the host may lack; the names of other families are the same
# or obvious from these.
DEBIAN_PACKAGES = {
    "blkid": "util-linux",
    "chroot": "coreutils",
    "createrepo_c": "createrepo-c",
    "debugfs": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "e2fsck": "e2fsprogs",
    "grub-mkimage": "grub-common",
    "grub-script-check": "grub-common",
    "implantisomd5": "isomd5sum",
    "mcopy": "mtools",
    "mdir": "mtools",
    "mke2fs": "e2fsprogs",
    "mkfs.fat": "dosfstools",
    "mksquashfs": "squashfs-tools",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "openssl": "openssl",
    "qemu-img": "qemu-utils",
    "qemu-storage-daemon": "qemu-system-common",
    "qemu-system-x86_64": "qemu-system-x86",
    "rpmbuild": "rpm",
    "sfdisk": "fdisk",
    "unsquashfs": "squashfs-tools",
    "xz": "xz-utils",
    "xorriso": "xorriso",
    "zstd": "zstd",
}


@dataclass(frozen=True)
class Completed:
    """What a program left: its exit code (negative: the signal that ended it), stdout and stderr."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def program(self) -> str:
        """The program's name, without the directory it was found in."""
        return Path(self.arguments[0]).name

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """The last lines of stderr, or of stdout where stderr is empty."""
        output = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return "\n".join(output.splitlines()[-_OUTPUT_TAIL_LINES:])


class ProgramFailed(Exception):
    """A program ended with a code its caller did not expect. Carries the command and its last words."""

    def __init__(self, completed: Completed) -> None:
        self.completed = completed
        how = (
            f"exit code {completed.exit_code}"
            if completed.exit_code >= 0
            else f"signal {signal.Signals(-completed.exit_code).name}"
        )
        super().__init__(f"{shlex.join(completed.arguments)}: {how}\n{completed.complaint}")


class ProgramTimedOut(Exception):
    """A program was still running after its time (seconds) and has been killed."""

    def __init__(self, arguments: Sequence[str], seconds: float) -> None:
        super().__init__(f"{shlex.join(arguments)}: still running after {seconds:.0f} s")


def require(*programs: str) -> None:
    """Raises `UserError` that names every missing program and the package that brings it."""
    missing = [program for program in programs if find(program) is None]
    if missing:
        packages = sorted({DEBIAN_PACKAGES.get(program, program) for program in missing})
        raise UserError(f"this host lacks {', '.join(missing)}", hint=f"apt-get install {' '.join(packages)}")


def find(program: str) -> str | None:
    """The path of a program, also where PATH leaves out the sbin directories, as a user's often does."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(program, path=path)


def _resolve(arguments: Sequence[Argument]) -> tuple[str, ...]:
    program, *rest = (str(argument) for argument in arguments)
    return (find(program) or program, *rest)


def run(
    *arguments: Argument,
    stdin: bytes | None = None,
    check: bool = True,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Runs a program to its end and returns its exit code and output.

    `timeout` is in seconds; after it the program is killed and `ProgramTimedOut` raised. With `check`, an
    exit code other than 0 raises `ProgramFailed`. `stdin` may hold secrets and is never logged.
    """
    with started(*arguments, stdin=stdin is not None, cwd=cwd, env=env, pass_fds=pass_fds) as process:
        return finished(process, stdin=stdin, check=check, timeout=timeout)


def finished(
    process: subprocess.Popen[bytes],
    *,
    stdin: bytes | None = None,
    check: bool = True,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
) -> Completed:
    """Waits for a program that `started` began; the rest is as for `run`."""
    assert isinstance(process.args, tuple)
    arguments = tuple(map(str, process.args))
    begin = time.monotonic()
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise ProgramTimedOut(arguments, timeout) from error
    completed = Completed(arguments, process.returncode, stdout or b"", stderr or b"")
    log.debug("%s: %d in %.2f s", arguments[0], completed.exit_code, time.monotonic() - begin)
    if check and completed.exit_code != 0:
        raise ProgramFailed(completed)
    return completed


def run_in_foreground(*arguments: Argument, env: Mapping[str, str] | None = None) -> int:
    """Runs a program that has the terminal to itself, until it ends; returns its exit code."""
    resolved = _resolve(arguments)
    log.debug("run, in the foreground: %s", shlex.join(resolved))
    with subprocess.Popen(resolved, env=env) as process:
        try:
            return process.wait()
        except BaseException:
            process.kill()
            raise


def detached(
    *arguments: Argument,
    cwd: Path,
    output: IO[Any],
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own, which outlives its caller unless that ends it.

    What it prints goes into the file `output`.
    """
    resolved = _resolve(arguments)
    log.debug("run, detached: %s", shlex.join(resolved))
    return subprocess.Popen(
        resolved,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=cwd,
        env=env,
        pass_fds=pass_fds,
        start_new_session=True,
    )


@contextmanager
def started(
    *arguments: Argument,
    stdin: bool = False,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a program; on leaving the block it is killed if it still runs."""
    resolved = _resolve(arguments)
    log.debug("run: %s", shlex.join(resolved))
    process = subprocess.Popen(
        resolved,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=env,
        pass_fds=pass_fds,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
