"""What can be seen on the medium without booting it: the ISO file system and the rootfs in its squashfs."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from verify.audit import CLOUD_ASPECTS, Aspect, Audit
from verify.checks import accounts, content
from verify.checks.registry import CheckRegistry
from verify.crypt import crypt
from verify.expectations.audited import AuditedAspect
from verify.expectations.files import FileDigest, FileInRootfs, FileOnMedium
from verify.expectations.host_name import HostNameIs, HostsLineNames
from verify.expectations.kernel_line import ArgumentsAtTheEnd, RootArgument
from verify.expectations.users import (
    NoPasswordSet,
    PasswordExpires,
    PasswordLogsIn,
    ShadowFieldIs,
    UserExists,
    UserHasPrimaryGroup,
    UserHasShell,
    UserHasUid,
    UserIsMemberOf,
)
from verify.grub_cfg import GrubCfg
from verify.medium import Medium
from verify.outcome import Notebook, NotReached
from verify.squashfs import RootfsOnMedium
from verify.verdict import HarnessFault, ProductFailure


@dataclass
class Reader:
    """An open medium, its audit, and the notebook of the check at work."""

    medium: Medium
    audit: Audit
    notebook: Notebook

    @cached_property
    def grub_cfg(self) -> GrubCfg:
        """The grub.cfg that loads the kernel; raises `ProductFailure` where there is none."""
        path, cfg = self.medium.grub_cfg()
        self.notebook.note(f"linux line of {path}", " ".join(cfg.linux))
        return cfg

    def rootfs(self) -> RootfsOnMedium:
        """The rootfs; raises `ProductFailure` where the medium has no squashfs."""
        return self.medium.live_rootfs()

    def text(self, path: str) -> str:
        """A text file of the rootfs; noted by its name alone, because it may hold secrets."""
        text = self.rootfs().read_text(path)
        self.notebook.note(f"read {path} in the squashfs", f"{len(text)} characters")
        return text


on_medium: CheckRegistry[Reader] = CheckRegistry()


@on_medium.of(AuditedAspect)
def audited_aspect(subject: AuditedAspect, reader: Reader) -> str:
    return judge_aspect(reader.audit, subject.aspect)


def judge_aspect(audit: Audit, aspect: Aspect) -> str:
    """What the audit saw; raises `ProductFailure` for what it found.

    What it could not judge is not reached where another aspect, which fails itself, is the cause, else a
    `HarnessFault`; and so is an aspect it says nothing about.
    """
    if findings := audit.findings_on(aspect):
        raise ProductFailure("; ".join(finding.text for finding in findings))
    for unjudged in audit.unjudged:
        if unjudged.aspect is aspect and unjudged.because is not None and audit.findings_on(unjudged.because):
            raise NotReached(f"{unjudged.because}: {unjudged.reason}")
        if unjudged.aspect is aspect:
            raise HarnessFault(f"the audit could not look at this: {unjudged.reason}")
    seen = [seen.text for seen in audit.seen if seen.aspect is aspect]
    if not seen and aspect in CLOUD_ASPECTS:
        raise ProductFailure("the medium's kernel arguments lead to no such file of cloud-init")
    if not seen:
        raise HarnessFault("the audit says nothing of this")
    return "; ".join(seen)


@on_medium.of(ArgumentsAtTheEnd)
def arguments_at_the_end(subject: ArgumentsAtTheEnd, reader: Reader) -> str:
    return content.judge_words_at_the_end(reader.grub_cfg.linux[1:], subject.arguments)


@on_medium.of(RootArgument)
def root_argument(subject: RootArgument, reader: Reader) -> str:
    words, asked = reader.grub_cfg.linux[1:], subject.arguments
    arrived = bool(asked.words) and words[-len(asked.words) :] == asked.words
    return content.judge_root_argument(words, subject.label, asked if arrived else type(asked)())


@on_medium.of(FileOnMedium)
def file_on_medium(subject: FileOnMedium, reader: Reader) -> str:
    file = reader.medium.require(subject.path)
    mode = subject.digest.mode if file.mode is None else file.mode & 0o777
    seen = FileDigest(reader.medium.digest(subject.path), file.size, mode)
    reader.notebook.note(f"read {file.path} of the ISO file system", f"{seen.sha256}, mode {mode:04o}")
    owner = None if file.uid is None or file.gid is None else (file.uid, file.gid)
    return content.judge_file(subject.path, seen, owner, subject.digest)


@on_medium.of(FileInRootfs)
def file_in_rootfs(subject: FileInRootfs, reader: Reader) -> str:
    rootfs = reader.rootfs()
    found = rootfs.find(subject.path)
    if found is None:
        raise ProductFailure(f"the rootfs has no file {subject.path}")
    path, entry = found
    data = rootfs.read(path)
    seen = FileDigest(hashlib.sha256(data).hexdigest(), len(data), entry.mode)
    reader.notebook.note(f"read {path} in the squashfs", f"{seen.sha256}, mode {entry.mode:04o}")
    return content.judge_file(subject.path, seen, (entry.uid, entry.gid), subject.digest)


@on_medium.of(HostNameIs)
def host_name_is(subject: HostNameIs, reader: Reader) -> str:
    return content.judge_hostname_file(reader.text("/etc/hostname"), subject.names)


@on_medium.of(HostsLineNames)
def hosts_line_names(subject: HostsLineNames, reader: Reader) -> str:
    if reader.rootfs().find(PurePosixPath("/etc/hosts")) is None:
        return "there is no /etc/hosts"
    return content.judge_hosts(reader.text("/etc/hosts"), subject.names)


@on_medium.of(UserExists)
def user_exists(subject: UserExists, reader: Reader) -> str:
    passwd = accounts.passwd_line(reader.text("/etc/passwd"), subject.name)
    return f"UID {passwd.uid}, home {passwd.home}, shell {passwd.shell}"


@on_medium.of(UserHasUid)
def user_has_uid(subject: UserHasUid, reader: Reader) -> str:
    passwd = accounts.passwd_line(reader.text("/etc/passwd"), subject.name)
    return accounts.judge_uid(passwd, subject.uid)


@on_medium.of(UserHasShell)
def user_has_shell(subject: UserHasShell, reader: Reader) -> str:
    passwd = accounts.passwd_line(reader.text("/etc/passwd"), subject.name)
    return accounts.judge_shell(passwd, subject.shell)


@on_medium.of(UserHasPrimaryGroup)
def user_has_primary_group(subject: UserHasPrimaryGroup, reader: Reader) -> str:
    passwd = accounts.passwd_line(reader.text("/etc/passwd"), subject.name)
    return accounts.judge_primary_group(passwd, accounts.group_line(reader.text("/etc/group"), subject.group))


@on_medium.of(UserIsMemberOf)
def user_is_member_of(subject: UserIsMemberOf, reader: Reader) -> str:
    passwd = accounts.passwd_line(reader.text("/etc/passwd"), subject.name)
    return accounts.judge_membership(passwd, accounts.group_line(reader.text("/etc/group"), subject.group))


@on_medium.of(ShadowFieldIs)
def shadow_field_is(subject: ShadowFieldIs, reader: Reader) -> str:
    field = accounts.shadow_field(reader.text("/etc/shadow"), subject.name)
    if not hmac.compare_digest(field.encode(), subject.hashed.get_secret_value().encode()):
        raise ProductFailure(f"the password hash of {subject.name} is not the configuration's")
    return "the hash matches"


@on_medium.of(NoPasswordSet)
def no_password_set(subject: NoPasswordSet, reader: Reader) -> str:
    field = accounts.shadow_field(reader.text("/etc/shadow"), subject.name)
    return accounts.judge_no_password(accounts.state_of(field))


@on_medium.of(PasswordExpires)
def password_expires(subject: PasswordExpires, reader: Reader) -> str:
    return accounts.judge_maximum_age(accounts.maximum_age(reader.text("/etc/shadow"), subject.name), subject.days)


@on_medium.of(PasswordLogsIn)
def password_fits(subject: PasswordLogsIn, reader: Reader) -> str:
    field = accounts.shadow_field(reader.text("/etc/shadow"), subject.name)
    state = accounts.state_of(field)
    if state != "set":
        raise ProductFailure(f"the account of {subject.name} is {state} on the medium")
    if not hmac.compare_digest(crypt(subject.password.get_secret_value(), field).encode(), field.encode()):
        raise ProductFailure(f"the password of {subject.name} does not fit the medium's shadow file")
    return "the password fits the shadow field"
