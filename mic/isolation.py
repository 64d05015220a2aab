"""Work that leaves nothing behind, however it ends.

The work runs as process 1 of its own pid and mount namespaces. When it ends, the kernel ends every process
it started and drops every mount it made (loop devices attached by mount(8) go with their mount: they are
set to clear themselves). Between it and the caller stands a supervisor that outlives both and removes the
temporary files, also when the caller is killed with SIGKILL.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from mic.errors import USAGE_EXIT_CODE, UserError
from mic.kernel_calls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    die_with_parent,
    mount,
    unshare,
)

INTERRUPTED_EXIT_CODE = 130
_CRASHED_EXIT_CODE = 70
_WORKSPACE_PREFIX = ".mic-"
_LOCK_NAME = ".lock"
_GRACE_SECONDS = 10
_TERMINATING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Raised inside the work when it is asked to stop; not an `Exception`, so that nothing swallows it."""


def run_isolated(work: Callable[[Path], int], *, parent: Path, leftovers: Sequence[Path] = ()) -> int:
    """Runs ``work(workspace)`` isolated and returns its exit code, or 130 when it was interrupted.

    `parent` is the directory in which the workspace, a temporary directory, is made; it is removed in the
    end, and so is each file of `leftovers` that the work has not renamed. Workspaces whose run was ended
    so hard that nobody could clean up are removed by the next run in the same `parent`.
    """
    _refuse_without_privilege()
    _sweep(parent)
    try:
        workspace = Path(tempfile.mkdtemp(prefix=_WORKSPACE_PREFIX, dir=parent))
    except OSError as error:
        raise UserError(
            f"cannot make a working directory: {error.strerror}",
            where=parent,
            hint="choose another --build-dir",
        ) from error
    sys.stdout.flush()
    sys.stderr.flush()
    supervisor = os.fork()
    if supervisor == 0:
        _exit_with(lambda: _supervise(work, workspace, leftovers))

    def forward(number: int, _frame: FrameType | None) -> None:
        os.kill(supervisor, signal.SIGTERM)

    previous = {number: signal.signal(number, forward) for number in _TERMINATING}
    try:
        _, status = os.waitpid(supervisor, 0)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return os.waitstatus_to_exitcode(status)


def _refuse_without_privilege() -> None:
    if os.geteuid() != 0:
        raise UserError("mic build needs root for now", hint="run it with sudo")


def _exit_with(main: Callable[[], int]) -> None:
    """Ends this forked process with main's result, without unwinding into the caller's stack."""
    code = _CRASHED_EXIT_CODE
    try:
        code = main()
    except Interrupted:
        print("mic: interrupted; nothing is left behind", file=sys.stderr)
        code = INTERRUPTED_EXIT_CODE
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else _CRASHED_EXIT_CODE
    except BaseException:  # noqa: BLE001 - the last frame of a process: show the bug, then end
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _supervise(work: Callable[[Path], int], workspace: Path, leftovers: Sequence[Path]) -> int:
    # A session of its own: Ctrl-C and a kill of the caller's process group reach the caller only.
    os.setsid()
    lock = os.open(workspace / _LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {*_TERMINATING, signal.SIGCHLD})
    die_with_parent(signal.SIGTERM)
    try:
        if not _entered_namespace(CLONE_NEWPID):
            return USAGE_EXIT_CODE
        worker = os.fork()
        if worker == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
            _exit_with(lambda: _work(work, workspace))
        return _wait_or_stop(worker)
    finally:
        _remove(workspace, leftovers)


def _entered_namespace(kind: int) -> bool:
    """Whether a new namespace could be made; says why not, where a container forbids it even to root."""
    try:
        unshare(kind)
    except PermissionError:
        print(
            "mic: this environment forbids namespaces, as Docker's default profile does"
            " (run the container with --cap-add SYS_ADMIN --security-opt seccomp=unconfined)",
            file=sys.stderr,
        )
        return False
    return True


def _wait_or_stop(worker: int) -> int:
    """The worker's exit code; passes a request to stop on, and after some seconds of patience kills."""
    caller = os.getppid()
    stopping_since: float | None = None
    while True:
        ended, status = os.waitpid(worker, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return INTERRUPTED_EXIT_CODE if stopping_since is not None or code < 0 else code
        received = signal.sigtimedwait({*_TERMINATING, signal.SIGCHLD}, 1.0)
        # The caller may have died before die_with_parent was in force.
        orphaned = os.getppid() != caller or caller == 1
        if (received is not None and received.si_signo in _TERMINATING) or orphaned:
            if stopping_since is None:
                stopping_since = time.monotonic()
                os.kill(worker, signal.SIGTERM)
            elif time.monotonic() - stopping_since > _GRACE_SECONDS:
                os.kill(worker, signal.SIGKILL)
        elif stopping_since is not None and time.monotonic() - stopping_since > _GRACE_SECONDS:
            os.kill(worker, signal.SIGKILL)


def _work(work: Callable[[Path], int], workspace: Path) -> int:
    die_with_parent(signal.SIGKILL)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # Once is enough: a second signal must not break the unwinding of the first.
        for number in _TERMINATING:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    for number in _TERMINATING:
        signal.signal(number, interrupt)
    if not _entered_namespace(CLONE_NEWNS):
        return USAGE_EXIT_CODE
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    return work(workspace)


def _remove(workspace: Path, leftovers: Sequence[Path]) -> None:
    for path in leftovers:
        path.unlink(missing_ok=True)
    # Processes of the dead namespace may still be finishing a write: try until the directory stays away.
    for _ in range(50):
        shutil.rmtree(workspace, ignore_errors=True)
        if not workspace.exists():
            return
        time.sleep(0.1)


def _sweep(parent: Path) -> None:
    """Removes the workspaces in `parent` that no living run holds locked."""
    for workspace in parent.glob(f"{_WORKSPACE_PREFIX}*"):
        try:
            lock = os.open(workspace / _LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(workspace, ignore_errors=True)
        finally:
            os.close(lock)
