"""The rootfs in the squashfs: whole, and without what must not be the same on every machine that boots it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import PurePosixPath

from verify.audit.facts import AccessFacts, AccountFacts, PackageDatabase, SquashfsFacts
from verify.audit.ledger import EVERY_FIRMWARE, Ledger
from verify.audit.model import Aspect
from verify.audit.raw import RawMedium
from verify.checks import accounts
from verify.medium import Medium, squashfs_path
from verify.squashfs import RootfsOnMedium
from verify.verdict import ProductFailure

# The superblock (Documentation/filesystems/squashfs.rst; fs/squashfs/squashfs_fs.h of the kernel).
_MAGIC, _COMPRESSION_AT, _BYTES_USED_AT, _SUPERBLOCK_BYTES = b"hsqs", 20, 40, 96
_COMPRESSIONS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
FSTAB, MACHINE_ID = PurePosixPath("/etc/fstab"), PurePosixPath("/etc/machine-id")
_DBUS_MACHINE_ID = PurePosixPath("/var/lib/dbus/machine-id")
_SSH = PurePosixPath("/etc/ssh")
DPKG_STATUS = PurePosixPath("/var/lib/dpkg/status")
# Azure Linux and Fedora; where rpm's database lies, one of its formats does (rpm's macro _db_backend).
_RPM_DIRECTORIES = (PurePosixPath("/usr/lib/sysimage/rpm"), PurePosixPath("/var/lib/rpm"))
_RPM_FILES = frozenset({"rpmdb.sqlite", "Packages.db", "Packages"})
# machine-id(5): both mean "make one at boot".
_NO_MACHINE_ID = ("", "uninitialized")
_SHARED_LIBRARY = re.compile(r"libsystemd-shared-(\d+)\b.*\.so")
_DEBUG_GENERATOR = PurePosixPath("/usr/lib/systemd/system-generators/systemd-debug-generator")
# In the text of the unit's description, which holds the terminal's name where one can be chosen.
_NAMES_TERMINAL = b"shell on /dev/%s"
_SUDO = PurePosixPath("/usr/bin/sudo")


@dataclass(frozen=True)
class RootfsAudit:
    """The rootfs where it can be read, and what was seen in it."""

    rootfs: RootfsOnMedium | None = None
    squashfs: SquashfsFacts | None = None
    operating_system: str | None = None
    accounts: tuple[AccountFacts, ...] = ()
    access: AccessFacts | None = None
    fstab: str | None = None
    machine_id: str | None = None
    ssh_host_keys: tuple[str, ...] = ()
    package_database: PackageDatabase | None = None


def audit_rootfs(raw: RawMedium, medium: Medium, arguments: tuple[str, ...], ledger: Ledger) -> RootfsAudit:
    """Lists the squashfs, reads every block of it, and looks at the few files that a live medium is judged by."""
    path = squashfs_path(arguments)
    inside = (Aspect.NO_FSTAB, Aspect.NO_MACHINE_ID)
    with ledger.judging(Aspect.SQUASHFS, Aspect.SQUASHFS_COMPLETE, *inside, fatal_for=EVERY_FIRMWARE):
        superblock = _superblock(raw, medium, path)
        rootfs = medium.rootfs(path)
        count = len(rootfs.entries)
        ledger.saw(Aspect.SQUASHFS, f"{path}, {superblock.size} bytes, {superblock.compression}, {count} entries")
        with ledger.judging(Aspect.SQUASHFS_COMPLETE):
            content_bytes = rootfs.read_everything()
            ledger.saw(Aspect.SQUASHFS_COMPLETE, f"{content_bytes} bytes in {count} entries")
        passwd, shadow = (_text(rootfs, f"/etc/{name}") for name in ("passwd", "shadow"))
        return RootfsAudit(
            rootfs=rootfs,
            squashfs=SquashfsFacts(str(path), superblock.size, superblock.compression, count, superblock.file_bytes),
            operating_system=_operating_system(rootfs),
            accounts=_accounts(passwd, shadow),
            access=_access(rootfs, passwd, shadow),
            fstab=_audit_fstab(rootfs, ledger),
            machine_id=_audit_machine_id(rootfs, ledger),
            ssh_host_keys=tuple(
                sorted(p.name for p in rootfs.entries if p.parent == _SSH and re.fullmatch(r"ssh_host_\w+_key", p.name))
            ),
            package_database=_package_database(rootfs),
        )
    return RootfsAudit()


@dataclass(frozen=True)
class _Superblock:
    size: int
    compression: str
    file_bytes: int


def _superblock(raw: RawMedium, medium: Medium, path: PurePosixPath) -> _Superblock:
    file = medium.require(path)
    data = raw.read(file.offset, _SUPERBLOCK_BYTES)
    if len(data) < _SUPERBLOCK_BYTES or not data.startswith(_MAGIC):
        raise ProductFailure(f"{path} is no squashfs")
    (compression,) = struct.unpack("<H", data[_COMPRESSION_AT : _COMPRESSION_AT + 2])
    (used,) = struct.unpack("<Q", data[_BYTES_USED_AT : _BYTES_USED_AT + 8])
    if used > file.size:
        raise ProductFailure(f"{path} is cut short: {file.size} bytes, its superblock says {used}")
    if file.offset + file.size > raw.size:
        raise ProductFailure(f"{path} reaches beyond the end of the medium")
    return _Superblock(used, _COMPRESSIONS.get(compression, f"compression {compression}"), file.size)


def _operating_system(rootfs: RootfsOnMedium) -> str | None:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if (found := rootfs.find(PurePosixPath(path))) is not None and found[1].kind == "-":
            match = re.search(r'^PRETTY_NAME=(["\']?)(.*)\1$', rootfs.read_text(path), re.MULTILINE)
            return match[2] if match else None
    return None


def _access(rootfs: RootfsOnMedium, passwd: str, shadow: str) -> AccessFacts | None:
    """None where there is no passwd or shadow that could be read: then nothing is known of who may come in."""
    if not passwd or not shadow:
        return None
    versions = [int(match[1]) for path in rootfs.entries if (match := _SHARED_LIBRARY.fullmatch(path.name))]
    try:
        names_terminal = rootfs.find(_DEBUG_GENERATOR) is not None and _NAMES_TERMINAL in rootfs.read(_DEBUG_GENERATOR)
    except ProductFailure:  # that a block is damaged is found by reading all of them
        return None
    return AccessFacts(
        systemd=max(versions, default=None),
        names_terminal=names_terminal,
        has_sudo=rootfs.find(_SUDO) is not None,
        passwd_ends_line=passwd.endswith("\n"),
        shadow_ends_line=shadow.endswith("\n"),
    )


def _accounts(passwd: str, shadow: str) -> tuple[AccountFacts, ...]:
    """The lines of passwd with the state of each password, never the hash."""
    states = {
        fields[0]: accounts.state_of(fields[1]) for line in shadow.splitlines() if len(fields := line.split(":")) == 9
    }
    found = []
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2].isdigit():
            found.append(AccountFacts(fields[0], int(fields[2]), fields[6], states.get(fields[0], "unknown")))
    return tuple(found)


def _package_database(rootfs: RootfsOnMedium) -> PackageDatabase | None:
    status = rootfs.find(DPKG_STATUS)
    if status is not None and status[1].kind == "-" and status[1].size:
        return PackageDatabase.DPKG
    if any(rootfs.find(directory / name) for directory in _RPM_DIRECTORIES for name in _RPM_FILES):
        return PackageDatabase.RPM
    return None


def _text(rootfs: RootfsOnMedium, path: str) -> str:
    found = rootfs.find(PurePosixPath(path))
    return rootfs.read_text(path) if found is not None and found[1].kind == "-" else ""


def _audit_fstab(rootfs: RootfsOnMedium, ledger: Ledger) -> str | None:
    entry = rootfs.entries.get(FSTAB)
    if entry is None:
        ledger.saw(Aspect.NO_FSTAB, "absent")
        return None
    ledger.found(Aspect.NO_FSTAB, "the rootfs has /etc/fstab" + (f", a link to {entry.target}" if entry.target else ""))
    return f"a link to {entry.target}" if entry.target else f"{entry.size} bytes"


def _audit_machine_id(rootfs: RootfsOnMedium, ledger: Ledger) -> str | None:
    """Both places are read: dbus's copy wins where systemd finds no other (machine-id(5), systemd-machine-id-setup)."""
    states = {path: _machine_id_state(rootfs, path) for path in (MACHINE_ID, _DBUS_MACHINE_ID)}
    for path, state in states.items():
        if state == "baked in":
            text = f"the rootfs has a machine-id in {path}: every machine booted from the medium has the same"
            ledger.found(Aspect.NO_MACHINE_ID, text)
    shown = ", ".join(f"{path} is {state}" for path, state in states.items())
    ledger.saw(Aspect.NO_MACHINE_ID, shown)
    return shown


def _machine_id_state(rootfs: RootfsOnMedium, path: PurePosixPath) -> str:
    entry = rootfs.entries.get(path)
    if entry is None:
        return "absent"
    if entry.kind == "l":
        return f"a link to {entry.target}"
    if entry.kind != "-":
        raise ProductFailure(f"{path} of the rootfs is no file")
    text = rootfs.read(path).decode(errors="replace").strip()
    return (text or "empty") if text in _NO_MACHINE_ID else "baked in"
