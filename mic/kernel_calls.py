"""System calls that Python 3.11's ``os`` lacks, with errors raised as `OSError`."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
# x86-64 and every newer architecture share the number (openat2(2), Linux 5.6).
_SYS_OPENAT2 = 437
_SYS_PIVOT_ROOT = 155
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_RACES = 10_000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)
    return result


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    options = None if data is None else os.fsencode(data)
    _checked(_libc.mount(*arguments, ctypes.c_ulong(flags), options), f"mount {target}")


def unmount_lazily(target: str) -> None:
    """umount2(2) with MNT_DETACH."""
    _checked(_libc.umount2(os.fsencode(target), _MNT_DETACH), f"umount {target}")


def pivot_root_here() -> None:
    """Makes the working directory the root; the old root stays, stacked on the new one where "." is.

    pivot_root(2), section 'pivot_root(".", ".")'. `unmount_lazily` of "." then drops the old root.
    """
    _checked(_libc.syscall(_SYS_PIVOT_ROOT, b".", b"."), "pivot_root")


def die_with_parent(signal_number: int) -> None:
    """Asks for `signal_number` when the thread that forked this process ends; prctl(2)."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def open_in_root(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Opens `path` as if the directory `root` (a descriptor) were ``/``; returns a descriptor.

    Symbolic links, absolute ones too, and ``..`` stay below `root`: openat2(2) with RESOLVE_IN_ROOT.
    """
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    for _ in range(_RACES):
        result = _libc.syscall(_SYS_OPENAT2, root, os.fsencode(path), how, len(how))
        # openat2(2): a mount or rename anywhere on the host during the look-up of a ".." is a race that the
        # kernel cannot judge; it asks to try again.
        if result != -1 or ctypes.get_errno() != errno.EAGAIN:
            break
    return _checked(result, path)
