"""Users in the booted machine: getent, shadow as root, and real logins on the console."""

from __future__ import annotations

import hashlib
import shlex

from pydantic import SecretStr

from verify.checks import accounts
from verify.checks.guest import Guest, in_machine
from verify.console.login import LoginResult
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
    WrongPasswordRefused,
)
from verify.verdict import ProductFailure


@in_machine.of(UserExists)
def user_exists(subject: UserExists, guest: Guest) -> str:
    passwd = _passwd(guest, subject.name)
    return f"{subject.name}, UID {passwd.uid}, home {passwd.home}, shell {passwd.shell}"


@in_machine.of(UserHasUid)
def user_has_uid(subject: UserHasUid, guest: Guest) -> str:
    return accounts.judge_uid(_passwd(guest, subject.name), subject.uid)


@in_machine.of(UserHasShell)
def user_has_shell(subject: UserHasShell, guest: Guest) -> str:
    return accounts.judge_shell(_passwd(guest, subject.name), subject.shell)


@in_machine.of(UserHasPrimaryGroup)
def user_has_primary_group(subject: UserHasPrimaryGroup, guest: Guest) -> str:
    return accounts.judge_primary_group(_passwd(guest, subject.name), _group(guest, subject.group))


@in_machine.of(UserIsMemberOf)
def user_is_member_of(subject: UserIsMemberOf, guest: Guest) -> str:
    return accounts.judge_membership(_passwd(guest, subject.name), _group(guest, subject.group))


@in_machine.of(ShadowFieldIs)
def shadow_field_is(subject: ShadowFieldIs, guest: Guest) -> str:
    # Only a digest of the hash crosses the serial line, which is logged.
    line = _shadow(guest, subject.name, 'printf %s "$2" | sha256sum')
    expected = hashlib.sha256(subject.hashed.get_secret_value().encode()).hexdigest()
    if line.split(" ")[0] != expected:
        raise ProductFailure(f"the password hash of {subject.name} is not the configuration's")
    return "the hash matches"


@in_machine.of(NoPasswordSet)
def no_password_set(subject: NoPasswordSet, guest: Guest) -> str:
    patterns = "'') echo empty;; '!'*|'*'*) echo locked;; *) echo set;;"
    return accounts.judge_no_password(_shadow(guest, subject.name, f'case "$2" in {patterns} esac'))


@in_machine.of(PasswordExpires)
def password_expires(subject: PasswordExpires, guest: Guest) -> str:
    return accounts.judge_maximum_age(_shadow(guest, subject.name, 'printf "%s\\n" "$5"'), subject.days)


@in_machine.of(PasswordLogsIn)
def password_logs_in(subject: PasswordLogsIn, guest: Guest) -> str:
    result = guest.session.try_login(subject.name, subject.password)
    guest.notebook.note(f"log in on the console as {subject.name}, the right password", result.name)
    return judge_right_password(subject, result)


def judge_right_password(subject: PasswordLogsIn, result: LoginResult) -> str:
    """Raises `ProductFailure` unless the login came to where the configuration lets it come."""
    if result is LoginResult.ACCEPTED:
        return "logged in"
    if result is LoginResult.EXPIRED and subject.may_be_expired:
        return "the password was taken; it has expired, as the configuration asks"
    if result is LoginResult.NO_SHELL and not subject.has_login_shell:
        return "the password was taken; the user's login shell ended the session"
    raise ProductFailure(f"the right password of {subject.name} does not log in: {result.value}")


@in_machine.of(WrongPasswordRefused)
def wrong_password_refused(subject: WrongPasswordRefused, guest: Guest) -> str:
    result = guest.session.try_login(subject.name, SecretStr(subject.wrong_password))
    guest.notebook.note(f"log in on the console as {subject.name}, a wrong password", result.name)
    return judge_wrong_password(subject, result)


def judge_wrong_password(subject: WrongPasswordRefused, result: LoginResult) -> str:
    """Raises `ProductFailure` unless the login was refused, be it that the account is locked altogether."""
    if result not in (LoginResult.REFUSED, LoginResult.LOCKED_OUT):
        raise ProductFailure(f"a wrong password of {subject.name} was not refused: {result.value}")
    return "refused"


def _passwd(guest: Guest, name: str) -> accounts.PasswdLine:
    return accounts.passwd_line(_getent(guest, "passwd", name), name)


def _group(guest: Guest, name: str) -> accounts.GroupLine:
    return accounts.group_line(_getent(guest, "group", name), name)


def _getent(guest: Guest, database: str, name: str) -> str:
    # 2: no such key (getent(1)).
    return guest.run(f"getent {database} {shlex.quote(name)}").expect(0, 2).stdout


def _shadow(guest: Guest, name: str, show: str) -> str:
    """Runs `show` as root with the fields of the user's shadow line as ``$1`` to ``$9``."""
    # The shell itself splits the line: no part of it appears in an argument list. set -f keeps "*" a star.
    command = f"line=$(getent shadow {shlex.quote(name)}) || exit 9; set -f; IFS=:; set -- $line; unset IFS; {show}"
    answer = guest.run_as_root(command).expect(0, 9)
    if answer.exit_code == 9:
        raise ProductFailure(f"{name} has no line in shadow")
    return answer.stdout
