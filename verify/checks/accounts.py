"""Users and groups, judged by lines of passwd(5), group(5) and shadow(5), wherever they were read."""

from __future__ import annotations

from dataclasses import dataclass

from verify.verdict import HarnessFault, ProductFailure


@dataclass(frozen=True)
class PasswdLine:
    """One line of passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True)
class GroupLine:
    """One line of group(5)."""

    name: str
    gid: int
    members: tuple[str, ...]


def passwd_line(text: str, name: str) -> PasswdLine:
    """The user's line in `text`; raises `ProductFailure` when there is none."""
    fields = _fields(text, name, 7)
    if fields is None:
        raise ProductFailure(f"there is no user {name}")
    return PasswdLine(name, _number(fields[2], name), _number(fields[3], name), fields[5], fields[6])


def group_line(text: str, name: str) -> GroupLine:
    """The group's line in `text`; raises `ProductFailure` when there is none."""
    fields = _fields(text, name, 4)
    if fields is None:
        raise ProductFailure(f"there is no group {name}")
    return GroupLine(name, _number(fields[2], name), tuple(m for m in fields[3].split(",") if m))


def shadow_field(text: str, name: str) -> str:
    """The user's password field in `text` of shadow(5); raises `ProductFailure` when there is none."""
    fields = _fields(text, name, 9)
    if fields is None:
        raise ProductFailure(f"{name} has no line in shadow")
    return fields[1]


def maximum_age(text: str, name: str) -> str:
    """The maximum password age of shadow(5) as it is written there; empty for never."""
    fields = _fields(text, name, 9)
    if fields is None:
        raise ProductFailure(f"{name} has no line in shadow")
    return fields[4]


def judge_uid(passwd: PasswdLine, uid: int) -> str:
    """Raises `ProductFailure` when the user has another id."""
    if passwd.uid != uid:
        raise ProductFailure(f"{passwd.name} has the UID {passwd.uid}, not {uid}")
    return f"UID {passwd.uid}"


def judge_shell(passwd: PasswdLine, shell: str) -> str:
    """Raises `ProductFailure` when the login shell field is another."""
    if passwd.shell != shell:
        raise ProductFailure(f"the login shell of {passwd.name} is {passwd.shell!r}, not {shell!r}")
    return passwd.shell


def judge_primary_group(passwd: PasswdLine, group: GroupLine) -> str:
    """Raises `ProductFailure` when the user's group id is not this group's."""
    if passwd.gid != group.gid:
        raise ProductFailure(f"{passwd.name} has the primary GID {passwd.gid}; {group.name} is {group.gid}")
    return f"GID {passwd.gid} is {group.name}"


def judge_membership(passwd: PasswdLine, group: GroupLine) -> str:
    """Raises `ProductFailure` when the user is in the group neither by name nor by primary group."""
    if passwd.name not in group.members and passwd.gid != group.gid:
        raise ProductFailure(f"{passwd.name} is no member of {group.name}")
    return f"{passwd.name} is a member of {group.name}"


def judge_maximum_age(field: str, days: int) -> str:
    """Raises `ProductFailure` when shadow's field says another age; -1 and 99999 and empty all mean never."""
    never = {"", "-1", "99999"}
    if field != str(days) and not (str(days) in never and field in never):
        raise ProductFailure(f"the password's maximum age is {field or 'never'}, not {days} days")
    return f"maximum age {field or 'never'}"


def judge_no_password(state: str) -> str:
    """`state` is "locked", "empty" or "set". Raises `ProductFailure` for the empty field: no password needed."""
    if state == "empty":
        raise ProductFailure("the password field is empty: anybody can log in without a password")
    return "locked" if state == "locked" else "keeps the password the image had"


def state_of(field: str) -> str:
    """ "locked", "empty" or "set", from a password field of shadow(5)."""
    return "empty" if not field else "locked" if field[0] in "!*" else "set"


def _fields(text: str, name: str, count: int) -> list[str] | None:
    for line in text.split("\n"):
        fields = line.split(":")
        if fields[0] == name and len(fields) == count:
            return fields
    return None


def _number(text: str, name: str) -> int:
    if not text.isdigit():
        raise HarnessFault(f"the line of {name} has {text!r} where a number belongs")
    return int(text)
