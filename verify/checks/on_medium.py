"""What can be seen on the medium without booting it: the ISO file system and the rootfs in its squashfs."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from verify.checks import accounts, content
from verify.checks.registry import CheckRegistry
from verify.crypt import crypt
from verify.expectations.files import FileDigest, FileInRootfs, FileOnMedium
from verify.expectations.host_name import HostNameIs, HostsLineNames
from verify.expectations.kernel_line import ArgumentsAtTheEnd, RootArgument
from verify.expectations.live import (
    BootCatalogueEntry,
    BootFiles,
    NoFstab,
    OneVolumeLabel,
    ReadableSquashfs,
)
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
from verify.outcome import Notebook
from verify.squashfs import RootfsOnMedium
from verify.verdict import ProductFailure

# dmsquash-live's defaults of rd.live.dir and rd.live.squashimg (dracut.cmdline(7)).
_LIVE_DIRECTORY, _SQUASHFS_NAME = "LiveOS", "squashfs.img"


@dataclass
class Reader:
    """An open medium together with the notebook of the check at work."""

    medium: Medium
    notebook: Notebook

    @cached_property
    def grub_cfg(self) -> GrubCfg:
        """The grub.cfg that loads the kernel; raises `ProductFailure` where there is none."""
        path, cfg = self.medium.grub_cfg()
        self.notebook.note(f"linux line of {path}", " ".join(cfg.linux))
        return cfg

    @cached_property
    def squashfs_path(self) -> PurePosixPath:
        """Where dracut looks for the squashfs, the arguments considered."""
        arguments = self.medium.grub_cfg()[1].linux[1:]
        directory, name = _LIVE_DIRECTORY, _SQUASHFS_NAME
        for argument in arguments:
            key, _, value = argument.partition("=")
            directory = value if key == "rd.live.dir" and value else directory
            name = value if key == "rd.live.squashimg" and value else name
        return PurePosixPath("/", directory, name)

    def rootfs(self) -> RootfsOnMedium:
        """The rootfs; raises `ProductFailure` where the medium has no squashfs."""
        return self.medium.rootfs(self.squashfs_path)

    def text(self, path: str) -> str:
        """A text file of the rootfs; noted by its name alone, because it may hold secrets."""
        text = self.rootfs().read_text(path)
        self.notebook.note(f"read {path} in the squashfs", f"{len(text)} characters")
        return text


on_medium: CheckRegistry[Reader] = CheckRegistry()


@on_medium.of(BootCatalogueEntry)
def boot_catalogue_entry(subject: BootCatalogueEntry, reader: Reader) -> str:
    firmwares = ", ".join(sorted(firmware.value for firmware in reader.medium.boot_firmwares))
    reader.notebook.note("bootable entries of the El Torito catalogue", firmwares)
    if subject.firmware not in reader.medium.boot_firmwares:
        raise ProductFailure(f"no bootable entry for {subject.firmware.value}: {firmwares or 'none at all'}")
    return firmwares


@on_medium.of(OneVolumeLabel)
def one_volume_label(subject: OneVolumeLabel, reader: Reader) -> str:
    found = {"the volume label": {subject.label}}
    for path in reader.medium.files():
        if path.name.lower() == "grub.cfg":
            labels = GrubCfg.parse(reader.medium.read(path).decode(errors="replace")).searched_labels
            found[f"search in {path}"] = set(labels)
    roots = [word for word in reader.grub_cfg.linux if word.startswith(content.ROOT_ARGUMENT)]
    found["root=live:LABEL="] = {root.removeprefix(content.ROOT_ARGUMENT) for root in roots}
    return judge_labels(subject.label, found)


def judge_labels(label: str, found: dict[str, set[str]]) -> str:
    """Raises `ProductFailure` for each other label and the places that name it, or when root= names none."""
    places: dict[str, list[str]] = {}
    for place, labels in found.items():
        for other in labels - {label}:
            places.setdefault(other, []).append(place)
    wrong = [f"{' and '.join(named)} has {other}" for other, named in places.items()]
    if not found["root=live:LABEL="]:
        wrong.append("the linux line has no root=live:LABEL=")
    if not label:
        wrong.append("the medium has no volume label")
    if wrong:
        raise ProductFailure(f"the volume label is {label!r}, but {'; '.join(wrong)}")
    return label


@on_medium.of(BootFiles)
def boot_files(subject: BootFiles, reader: Reader) -> str:
    cfg = reader.grub_cfg
    if not cfg.initrds:
        raise ProductFailure("grub.cfg names no initrd")
    found = [reader.medium.require(PurePosixPath("/", path)) for path in (cfg.linux[0], *cfg.initrds)]
    empty = [str(file.path) for file in found if file.size == 0]
    if empty:
        raise ProductFailure(f"empty: {', '.join(empty)}")
    return ", ".join(f"{file.path} ({file.size} bytes)" for file in found)


@on_medium.of(ReadableSquashfs)
def readable_squashfs(subject: ReadableSquashfs, reader: Reader) -> str:
    file = reader.medium.require(reader.squashfs_path)
    if file.offset + file.size > reader.medium.path.stat().st_size:
        raise ProductFailure(f"{file.path} reaches beyond the end of the medium")
    entries = len(reader.rootfs().entries)
    reader.notebook.note(f"list {file.path}", f"{entries} entries")
    return f"{file.path}, {file.size} bytes, {entries} entries"


@on_medium.of(NoFstab)
def no_fstab(subject: NoFstab, reader: Reader) -> str:
    if PurePosixPath("/etc/fstab") in reader.rootfs().entries:
        raise ProductFailure("the rootfs has /etc/fstab")
    return "absent"


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
