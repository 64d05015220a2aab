"""The way into the sandbox; run as a program of its own, by path, so that it starts in milliseconds.

Three processes: the outer one writes the id maps of the new user namespace, the middle one made that
namespace, the inner one is process 1 of the sandbox: it sets up the mounts, runs the program and ends with
its exit code, whereupon the kernel ends whatever the program left running.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import signal
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_DEVICE_FILE_SYSTEMS = {
    "pts": ("devpts", "newinstance,ptmxmode=0666,mode=620"),
    "shm": ("tmpfs", "mode=1777"),
}
_CANNOT_RUN_EXIT_CODE = 126
_NOT_FOUND_EXIT_CODE = 127
# No program of the image: the sandbox itself could not be made.
FORBIDDEN_EXIT_CODE = 124
FORBIDDEN = "mic: user namespaces are forbidden here"
_WHOLE_ID_RANGE = "0 0 4294967295"


class Request(NamedTuple):
    """What to run where: see `mic.rootfs.sandbox.Sandbox`."""

    top: str
    scratch: str
    read_only: bool
    network: bool
    binds: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]


def _kernel_calls() -> ModuleType:
    # Not "import mic.kernel_calls": isolated from the caller's paths, this file knows only where it lies.
    path = Path(__file__).resolve().parent.parent / "kernel_calls.py"
    specification = importlib.util.spec_from_file_location("kernel_calls", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def main() -> int:
    request = Request(**json.loads(sys.argv[1]))
    calls = _kernel_calls()
    calls.die_with_parent(signal.SIGKILL)
    unshared_read, unshared_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.close(mapped_write)
        calls.die_with_parent(signal.SIGKILL)
        try:
            calls.unshare(
                calls.CLONE_NEWUSER
                | calls.CLONE_NEWNS
                | calls.CLONE_NEWPID
                | calls.CLONE_NEWIPC
                | calls.CLONE_NEWUTS
                | calls.CLONE_NEWCGROUP
                | (0 if request.network else calls.CLONE_NEWNET)
            )
        except OSError as error:
            print(f"{FORBIDDEN}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(FORBIDDEN_EXIT_CODE)
        os.write(unshared_write, b".")
        os.read(mapped_read, 1)
        inner = os.fork()
        if inner == 0:
            calls.die_with_parent(signal.SIGKILL)
            os._exit(_run_inside(request, calls))
        return _exit_code_of(inner)
    os.close(unshared_write)
    if os.read(unshared_read, 1):
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{middle}/{kind}").write_text(_WHOLE_ID_RANGE)
    os.write(mapped_write, b".")
    return _exit_code_of(middle)


def _exit_code_of(process: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code if code >= 0 else 128 - code


def _run_inside(request: Request, calls: ModuleType) -> int:
    os.setgid(0)
    os.setuid(0)
    os.setgroups([])
    os.umask(0o022)
    made = _enter_root(request, calls)
    program = os.fork()
    if program == 0:
        try:
            os.execvpe(request.arguments[0], request.arguments, os.environ)
        except FileNotFoundError:
            print(f"{request.arguments[0]}: not found in the image", file=sys.stderr, flush=True)
            os._exit(_NOT_FOUND_EXIT_CODE)
        except OSError as error:
            print(f"{request.arguments[0]}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(_CANNOT_RUN_EXIT_CODE)
    while True:
        ended, status = os.wait()
        if ended == program:
            _remove_mount_points(made, [target for _, target in request.binds], calls)
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _enter_root(request: Request, calls: ModuleType) -> list[str]:
    """Makes `request.top` the root. From the change of root on, no path leads to the host any more.

    Returns the mount points that were made for `request.binds`.
    """
    calls.mount(None, "/", None, calls.MS_REC | calls.MS_PRIVATE)
    sources = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES}
    scratch = os.open(request.scratch, os.O_PATH | os.O_DIRECTORY)
    binds = [(os.open(source, os.O_PATH), target) for source, target in request.binds]
    # The host's /proc stays beneath until the new one is there: the kernel allows a new /proc only where a
    # whole one is in sight (mount_too_revealing in fs/namespace.c).
    calls.mount(request.top, request.top, None, calls.MS_BIND | calls.MS_REC)
    os.chdir(request.top)
    proc_below_top = calls.open_in_root(os.open(".", os.O_PATH), "proc", os.O_PATH | os.O_DIRECTORY)
    flags = calls.MS_NOSUID | calls.MS_NODEV | calls.MS_NOEXEC
    calls.mount("proc", f"/proc/self/fd/{proc_below_top}", "proc", flags)
    os.chdir(request.top)
    calls.pivot_root_here()
    # Absolute paths lead to the new root from here on; the old one is dropped last, because nothing can be
    # bound from a tree that is no longer mounted. Until then it is stacked on the new one, where the kernel
    # comes to it by a ".." (a symbolic link of the image's, say): `_inside` leaves none to the kernel.
    if request.read_only:
        calls.mount(None, "/", None, calls.MS_REMOUNT | calls.MS_BIND | calls.MS_RDONLY)
    calls.mount("tmpfs", "/dev", "tmpfs", calls.MS_NOSUID, "mode=755")
    for name, source in sources.items():
        Path(f"/dev/{name}").touch()
        calls.mount(f"/proc/self/fd/{source}", f"/dev/{name}", None, calls.MS_BIND)
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")
    for name, (kind, options) in _DEVICE_FILE_SYSTEMS.items():
        os.mkdir(f"/dev/{name}")
        calls.mount(kind, f"/dev/{name}", kind, calls.MS_NOSUID, options)
    for directory, options in (("/run", "mode=755"), ("/tmp", "mode=1777")):
        if os.path.isdir(directory := _inside(directory)):
            calls.mount("tmpfs", directory, "tmpfs", calls.MS_NOSUID | calls.MS_NODEV, options)
    if os.path.isdir(directory := _inside("/var/tmp")):
        calls.mount(f"/proc/self/fd/{scratch}", directory, None, calls.MS_BIND)
    made = []
    for source, target in binds:
        made += _make_mount_point(target, stat.S_ISDIR(os.fstat(source).st_mode))
        calls.mount(f"/proc/self/fd/{source}", _inside(target), None, calls.MS_BIND)
    calls.unmount_lazily(".")
    os.chdir("/")
    for descriptor in (*sources.values(), scratch, proc_below_top, *(source for source, _ in binds)):
        os.close(descriptor)
    return made


def _inside(path: str) -> str:
    """`path` with its symbolic links and ".." resolved step by step, as far as it is there."""
    return os.path.realpath(path)


def _make_mount_point(target: str, is_directory: bool) -> list[str]:
    """Makes `target` where it is missing, beyond a dangling symbolic link too; returns what was made, in order."""
    path = _inside(target)
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    for path in missing:
        if is_directory or path != missing[-1]:
            os.mkdir(path)
        else:
            Path(path).touch()
    return missing


def _remove_mount_points(made: list[str], targets: list[str], calls: ModuleType) -> None:
    """Leaves the image without the mount points that were made for it, as it was before."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    for target in reversed(targets):
        with contextlib.suppress(OSError):  # What the program has unmounted itself.
            calls.unmount_lazily(target)
    for path in reversed(made):
        if not os.path.isdir(path):
            os.unlink(path)
            continue
        try:
            os.rmdir(path)
        except OSError as error:
            # A directory above a mount point, in which the program has made something: it is the program's now.
            if error.errno != errno.ENOTEMPTY:
                raise


if __name__ == "__main__":
    sys.exit(main())
