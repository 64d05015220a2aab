"""Which ways in are worth trying with a medium, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mic.errors import UserError
from verify.access.grub_entry import GrubEntry, place_of_linux_line
from verify.access.system_credential import FIRST_SYSTEMD, system_credential
from verify.access.user_password import UserPassword
from verify.access.way import AccessChoice, Means, WayIn
from verify.audit import Audit
from verify.expectations.credentials import Credential
from verify.medium import open_medium
from verify.verdict import ProductFailure


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


def guest_system(audit: Audit) -> GuestSystem:
    """What the audit has read in the rootfs; each field its default where it could not."""
    facts = audit.live.access
    if facts is None:
        return GuestSystem()
    return GuestSystem(
        systemd=facts.systemd,
        names_terminal=facts.names_terminal,
        has_sudo=facts.has_sudo,
        account_names=frozenset(account.name for account in audit.live.accounts),
        ends_lines=(facts.passwd_ends_line, facts.shadow_ends_line),
    )


def linux_line_of(medium: Path) -> int | None:
    """`place_of_linux_line` of the grub.cfg that loads the kernel; None where there is none.

    What cannot be read is for the checks of the medium to complain about.
    """
    try:
        with open_medium(medium) as opened:
            path, _ = opened.grub_cfg()
            return place_of_linux_line(opened.read(path).decode(errors="replace"))
    except (ProductFailure, UserError):
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
