"""Whether sshd lets a user in with its keys: asked of the image's own sshd, in the booted machine.

Keywords and tokens are those of sshd_config(5), the rules that shut a user out those of OpenSSH's auth.c.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from verify.checks import accounts
from verify.checks.guest import Guest, in_machine
from verify.expectations.users import SshLetsIn
from verify.verdict import ProductFailure

# As from anywhere; an address of documentation (RFC 5737).
_CLIENT = "host=client.invalid,addr=192.0.2.1"
_FIND = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v sshd"
# Made by the service when it starts; where nothing has started it, it is made where nobody else sees it.
_NO_RUN_DIRECTORY = "privilege separation directory"
_ALONE = "unshare --mount sh -c {command}"
_RUN_DIRECTORY = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 755 /run/sshd && "
_UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")
_KEY_TYPE = re.compile(r"(?:^|[ \t])((?:sk-)?(?:ssh|ecdsa)-[A-Za-z0-9@.-]+)[ \t]")
_RSA_SIGNATURES = frozenset({"ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"})


@dataclass(frozen=True)
class SshdSettings:
    """What ``sshd -T -C user=...`` prints: keywords in lower case, those of lists once per value."""

    lines: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> SshdSettings:
        return cls(tuple((line.partition(" ")[0], line.partition(" ")[2]) for line in text.split("\n") if line))

    def all_of(self, keyword: str) -> tuple[str, ...]:
        """Every value of a keyword, split at blanks; empty where it is absent or "none"."""
        values = " ".join(value for name, value in self.lines if name == keyword).split()
        return () if values == ["none"] else tuple(values)

    def one_of(self, keyword: str) -> str:
        """The value of a keyword that has one; "" where it is absent."""
        return next((value for name, value in self.lines if name == keyword), "")


@dataclass(frozen=True)
class SshAccount:
    """The user as sshd looks at it; `locked`: the password field begins with "!"."""

    passwd: accounts.PasswdLine
    groups: tuple[str, ...]
    locked: bool


@in_machine.of(SshLetsIn)
def ssh_lets_in(subject: SshLetsIn, guest: Guest) -> str:
    program = guest.run_as_root(_FIND).stdout.strip()
    if not program:
        return "the image has no sshd: the keys are in place, and there is nothing they open"
    _test_configuration(guest, program)
    account = _account(guest, subject.name)
    settings = _settings(guest, program, subject.name)
    judge_settings(settings, account, subject.keys)
    files = key_files(settings, account.passwd)
    _judge_files(guest, settings, account.passwd)
    found = _lines_of(guest, files)
    missing = [key for key in subject.keys if key not in found]
    if missing:
        shown = ", ".join(str(file) for file in files)
        raise ProductFailure(f"{len(missing)} of {len(subject.keys)} keys of {subject.name} are not in {shown}")
    active = guest.run(f"systemctl is-active {' '.join(_UNITS)}").stdout.split("\n")
    running = ", ".join(unit for unit, state in zip(_UNITS, active, strict=False) if state == "active")
    return f"sshd takes the keys from {files[0]}; {running or 'no unit of it'} is active"


def _test_configuration(guest: Guest, program: str) -> None:
    answer = guest.run_as_root(f"{program} -t")
    if answer.exit_code != 0 and _NO_RUN_DIRECTORY in answer.stderr:
        answer = guest.run_as_root(_ALONE.format(command=shlex.quote(f"{_RUN_DIRECTORY}{program} -t")))
    if answer.exit_code != 0:
        raise ProductFailure(f"sshd does not take its configuration: {answer.stderr or answer.stdout}")


def _settings(guest: Guest, program: str, user: str) -> SshdSettings:
    command = f"{program} -T -C user={shlex.quote(user)},{_CLIENT}"
    answer = guest.run_as_root(command)
    if answer.exit_code != 0 and _NO_RUN_DIRECTORY in answer.stderr:
        answer = guest.run_as_root(_ALONE.format(command=shlex.quote(f"{_RUN_DIRECTORY}{command}")))
    return SshdSettings.parse(answer.expect(0).stdout)


def _account(guest: Guest, name: str) -> SshAccount:
    quoted = shlex.quote(name)
    passwd = accounts.passwd_line(guest.run(f"getent passwd {quoted}").expect(0, 2).stdout, name)
    groups = tuple(guest.run(f"id -Gn {quoted}").expect(0).stdout.split())
    # Only whether it is locked leaves the shell, no part of the field.
    locked = guest.run_as_root(f"getent shadow {quoted} | cut -d : -f 2 | grep -q '^!' && echo locked || echo open")
    return SshAccount(passwd, groups, locked.expect(0).stdout == "locked")


def judge_settings(settings: SshdSettings, account: SshAccount, keys: tuple[str, ...]) -> None:
    """Raises `ProductFailure` for the first setting that keeps the user, or one of the keys, out."""
    user = account.passwd.name
    if settings.one_of("pubkeyauthentication") != "yes":
        raise ProductFailure(f"sshd takes no public keys of {user}: PubkeyAuthentication is no")
    methods = settings.all_of("authenticationmethods")
    if methods and not {"any", "publickey"} & set(methods):
        raise ProductFailure(f"sshd wants more than a key: AuthenticationMethods is {' '.join(methods)}")
    _judge_lists(settings, account)
    if account.passwd.uid == 0 and (root := settings.one_of("permitrootlogin")) in ("no", "forced-commands-only"):
        raise ProductFailure(f"sshd does not let root in: PermitRootLogin is {root}")
    if account.locked and settings.one_of("usepam") != "yes":
        raise ProductFailure(f"the account of {user} is locked, and sshd without PAM lets no locked account in")
    accepted = frozenset(settings.one_of("pubkeyacceptedalgorithms").split(","))
    for key in keys:
        match = _KEY_TYPE.search(key)
        if match is None:
            raise ProductFailure(f"a key of {user} is none that sshd knows: it names no type")
        fits = _RSA_SIGNATURES if match[1] == "ssh-rsa" else frozenset({match[1]})
        if accepted != {""} and not fits & accepted:
            raise ProductFailure(f"sshd takes no {match[1]} keys: PubkeyAcceptedAlgorithms leaves them out")


def _judge_lists(settings: SshdSettings, account: SshAccount) -> None:
    user = account.passwd.name
    if any(_fits(pattern, user, denies=True) for pattern in settings.all_of("denyusers")):
        raise ProductFailure(f"sshd shuts {user} out: DenyUsers")
    allowed = settings.all_of("allowusers")
    if allowed and not any(_fits(pattern, user, denies=False) for pattern in allowed):
        raise ProductFailure(f"sshd shuts {user} out: AllowUsers does not name it")
    if any(_matches(pattern, group) for pattern in settings.all_of("denygroups") for group in account.groups):
        raise ProductFailure(f"sshd shuts {user} out: DenyGroups")
    groups = settings.all_of("allowgroups")
    if groups and not any(_matches(pattern, group) for pattern in groups for group in account.groups):
        raise ProductFailure(f"sshd shuts {user} out: AllowGroups names none of its groups")


def key_files(settings: SshdSettings, passwd: accounts.PasswdLine) -> tuple[PurePosixPath, ...]:
    """The files that AuthorizedKeysFile means for the user. Raises `ProductFailure` for none."""
    tokens = {"%h": passwd.home, "%u": passwd.name, "%U": str(passwd.uid), "%%": "%"}
    files = tuple(
        PurePosixPath(passwd.home, re.sub("%.", lambda match: tokens.get(match[0], match[0]), pattern))
        for pattern in settings.all_of("authorizedkeysfile")
    )
    if not files:
        raise ProductFailure("sshd looks for keys in no file: AuthorizedKeysFile is none")
    return files


def _judge_files(guest: Guest, settings: SshdSettings, passwd: accounts.PasswdLine) -> None:
    home, shell = shlex.quote(passwd.home), shlex.quote(passwd.shell or "/bin/sh")
    answer = guest.run_as_root(f"test -x {shell} || echo shell; test ! -e /etc/nologin || echo nologin").expect(0)
    if "shell" in answer.stdout.split("\n"):
        raise ProductFailure(f"sshd lets nobody in whose shell cannot be run: {passwd.shell}")
    if "nologin" in answer.stdout.split("\n") and passwd.uid != 0:
        raise ProductFailure("/etc/nologin exists: only root may log in")
    answer = guest.run_as_root(f"stat -L -c '%u %a' {home}").expect(0, 1)
    if answer.exit_code != 0:
        raise ProductFailure(f"the home {passwd.home} does not exist")
    owner, mode = answer.stdout.split(" ")
    if settings.one_of("strictmodes") == "yes" and (int(owner) not in (0, passwd.uid) or int(mode, 8) & 0o022):
        raise ProductFailure(f"sshd passes over keys in a home that others may write: UID {owner}, mode {mode}")


def _lines_of(guest: Guest, files: tuple[PurePosixPath, ...]) -> frozenset[str]:
    quoted = " ".join(shlex.quote(str(file)) for file in files)
    command = f'for file in {quoted}; do if [ -e "$file" ]; then cat "$file"; fi; done'
    return frozenset(line.strip() for line in guest.run_as_root(command).expect(0).stdout.split("\n"))


def _fits(pattern: str, user: str, *, denies: bool) -> bool:
    """A pattern of AllowUsers or DenyUsers; one that is bound to hosts denies nobody everywhere."""
    name, at, host = pattern.rpartition("@") if "@" in pattern else (pattern, "", "")
    return _matches(name, user) and not (denies and at and host != "*")


def _matches(pattern: str, text: str) -> bool:
    """ssh_config(5), PATTERNS: only "*" and "?" are special."""
    spelt = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(spelt, text) is not None
