"""Which ways in are worth trying with a medium, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mic.errors import UserError
from verify.access.grub_entry import GrubEntry, place_of_linux_line
from verify.access.system_credential import FIRST_SYSTEMD, system_credential
from verify.access.user_password import UserPassword
from verify.access.way import AccessChoice, Means, WayIn
from verify.expectations.credentials import Credential
from verify.medium import Medium, open_medium
from verify.squashfs import RootfsOnMedium
from verify.verdict import ProductFailure

_SHARED_LIBRARY = re.compile(r"libsystemd-shared-(\d+)\b.*\.so")
_DEBUG_GENERATOR = PurePosixPath("/usr/lib/systemd/system-generators/systemd-debug-generator")
# In the text of the unit's description, which holds the terminal's name where one can be chosen.
_NAMES_TERMINAL = b"shell on /dev/%s"
_SUDO = PurePosixPath("/usr/bin/sudo")


@dataclass(frozen=True)
class GuestSystem:
    """What the rootfs tells of the ways in. Where it could not be read, each field has its default.

    `ends_lines`: whether /etc/passwd and /etc/shadow end in a newline, as they should.
    """

    systemd: int | None = None
    names_terminal: bool = True
    has_sudo: bool = True
    account_names: frozenset[str] = frozenset()
    ends_lines: tuple[bool, bool] = (True, True)


def guest_system(rootfs: RootfsOnMedium) -> GuestSystem:
    """Looks into the rootfs; raises `ProductFailure` when it cannot be read."""
    versions = [int(match[1]) for path in rootfs.entries if (match := _SHARED_LIBRARY.fullmatch(path.name))]
    passwd = rootfs.read(PurePosixPath("/etc/passwd"))
    shadow = rootfs.read(PurePosixPath("/etc/shadow"))
    return GuestSystem(
        systemd=max(versions, default=None),
        names_terminal=rootfs.find(_DEBUG_GENERATOR) is not None and _NAMES_TERMINAL in rootfs.read(_DEBUG_GENERATOR),
        has_sudo=rootfs.find(_SUDO) is not None,
        account_names=frozenset(line.partition(b":")[0].decode(errors="replace") for line in passwd.split(b"\n")),
        ends_lines=(passwd.endswith(b"\n"), shadow.endswith(b"\n")),
    )


def look_into(medium: Path) -> tuple[GuestSystem, int | None]:
    """What the medium tells of the ways in, and `place_of_linux_line`.

    What cannot be read is for the checks of the medium to complain about.
    """
    try:
        with open_medium(medium) as opened:
            linux_line = linux_line_of(opened)
            try:
                return guest_system(opened.live_rootfs()), linux_line
            except ProductFailure:
                return GuestSystem(), linux_line
    except UserError:
        return GuestSystem(), None


def linux_line_of(medium: Medium) -> int | None:
    """`place_of_linux_line` of the grub.cfg that loads the kernel; None where there is none."""
    try:
        path, _ = medium.grub_cfg()
        return place_of_linux_line(medium.read(path).decode(errors="replace"))
    except ProductFailure:
        return None


def ways_in(
    choice: AccessChoice, credentials: tuple[Credential, ...], system: GuestSystem, linux_line: int | None
) -> tuple[WayIn, ...]:
    """The ways in, best first; empty where there is none of those allowed.

    A password comes first where its user may become root. Where no such user is, checks that need root would be
    left without: then systemd's credentials come first and GRUB next; a user without root's rights is the last resort.
    """
    by_password = UserPassword(credentials)
    becomes_root = any(credential.may_be_root and _can(credential, system) for credential in credentials)

    def all_ways() -> Iterator[WayIn]:
        if becomes_root:
            yield by_password
        if system.systemd is None or system.systemd >= FIRST_SYSTEMD:
            yield system_credential(system.account_names, system.ends_lines)
        if linux_line is not None:
            yield GrubEntry(linux_line, system.names_terminal)
        if credentials:
            yield by_password

    if choice is AccessChoice.PASSWORD:
        return (by_password,) if credentials else ()
    allowed = choice.allowed
    found = tuple(way for way in all_ways() if way.means in allowed)
    if not found and choice is AccessChoice.CREDENTIALS:
        # Asked for, so it is tried, whatever the rootfs says of its systemd.
        return (system_credential(system.account_names, system.ends_lines),)
    return found


def why_none(choice: AccessChoice) -> str:
    """The reason, in words, for which `ways_in` is empty."""
    reasons = {
        Means.PASSWORD: "the configuration names no user with a password in plain text and a login shell",
        Means.CREDENTIALS: f"the rootfs has a systemd older than {FIRST_SYSTEMD}",
        Means.GRUB: "grub.cfg has no entry that can be extended",
    }
    return "; ".join(reasons[means] for means in Means if means in choice.allowed)


def _can(credential: Credential, system: GuestSystem) -> bool:
    """root needs no sudo; anybody else does."""
    return system.has_sudo or credential.user == "root"
