"""What the configuration's cloud-init files ask for: user-data, meta-data, network-config.

Reads only as much as a check can prove. Keys follow cloud-init's module reference (cc_users_groups,
cc_set_passwords, cc_set_hostname, cc_update_etc_hosts) and its network configuration formats 1 and 2.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import yaml
from pydantic import SecretStr

# cc_set_passwords takes a text of chpasswd for a hash when it fits this.
_HASH = re.compile(r"\$(1|2a|2y|5|6)(\$.+){2}")
_RANDOM = frozenset({"R", "RANDOM"})


@dataclass(frozen=True)
class CloudUser:
    """One entry of ``users:``, as far as it can be proven from outside.

    `password`: known in plain and usable on the console. `expired`: cloud-init makes the user choose another
    at the first login.
    """

    name: str
    password: SecretStr | None = None
    expired: bool = False
    uid: int | None = None
    shell: str | None = None
    primary_group: str | None = None
    groups: tuple[str, ...] = ()
    may_sudo: bool = False


@dataclass(frozen=True)
class UserData:
    """What ``user-data`` asks for; `secrets` are all texts in it that must not be shown."""

    sha256: str
    users: tuple[CloudUser, ...] = ()
    # cc_set_hostname: `hostname` and `fqdn`, in that order, without the absent.
    host_names: tuple[str, ...] = ()
    preserves_hostname: bool = False
    secrets: tuple[SecretStr, ...] = ()


@dataclass(frozen=True)
class MetaData:
    """What ``meta-data`` asks for."""

    instance_id: str | None = None
    local_hostname: str | None = None


def read_user_data(content: bytes) -> UserData:
    """Reads ``#cloud-config``; of any other form (a script, MIME, a template) only the digest is known."""
    sha256 = hashlib.sha256(content).hexdigest()
    text = content.decode(errors="replace")
    if not text.startswith("#cloud-config"):
        return UserData(sha256)
    data = _mapping(text)
    users = {user.name: user for user in _users(data)}
    hosts = tuple(str(data[key]) for key in ("hostname", "fqdn") if data.get(key))
    for name, password, expired in _chpasswd(data):
        # chpasswd unlocks: it replaces the whole field, the leading "!" included.
        user = users.get(name, CloudUser(name))
        users[name] = replace(user, password=password, expired=expired)
    return UserData(sha256, tuple(users.values()), hosts, data.get("preserve_hostname") is True, tuple(_secrets(data)))


def read_meta_data(content: bytes) -> MetaData:
    """Reads ``meta-data``; keys that are absent are None."""
    data = _mapping(content.decode(errors="replace"))
    return MetaData(_text(data.get("instance-id")), _text(data.get("local-hostname")))


def static_addresses(content: bytes) -> tuple[str, ...]:
    """The static addresses of a ``network-config`` of format 1 or 2 as they are spelt, without prefix length."""
    data = _mapping(content.decode(errors="replace"))
    inner = data.get("network")
    if isinstance(inner, Mapping):
        data = inner
    return tuple(dict.fromkeys(_addresses(data)))


def _addresses(node: object) -> Iterator[str]:
    """Every value below a key ``address`` or ``addresses``, except those of name servers."""
    if isinstance(node, Mapping):
        if node.get("type") == "nameserver":
            return
        for key, value in node.items():
            if key in ("address", "addresses"):
                for item in value if isinstance(value, list) else [value]:
                    # Format 2 allows {"10.0.0.1/24": {label: ...}}.
                    text = next(iter(item), "") if isinstance(item, Mapping) else item
                    if (address := _address(str(text))) is not None:
                        yield address
            elif key != "nameservers":
                yield from _addresses(value)
    elif isinstance(node, list):
        for item in node:
            yield from _addresses(item)


def _address(text: str) -> str | None:
    try:
        ipaddress.ip_interface(text.strip())
    except ValueError:
        return None
    return text.strip().partition("/")[0]


def _users(data: Mapping[str, object]) -> Iterator[CloudUser]:
    entries = data.get("users")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not entry.get("name"):
            continue
        password = entry.get("plain_text_passwd")
        # lock_passwd is true unless said otherwise, and then the password is of no use on a console.
        usable = entry.get("lock_passwd", entry.get("lock-passwd", True)) is False
        uid = entry.get("uid")
        yield CloudUser(
            name=str(entry["name"]),
            password=SecretStr(str(password)) if password and usable else None,
            uid=int(uid) if isinstance(uid, int | str) and str(uid).isdigit() else None,
            shell=_text(entry.get("shell")),
            primary_group=_text(entry.get("primary_group", entry.get("primary-group"))),
            groups=_names(entry.get("groups")),
            may_sudo=bool(entry.get("sudo")),
        )


def _chpasswd(data: Mapping[str, object]) -> Iterator[tuple[str, SecretStr | None, bool]]:
    """Name, password where it is known in plain, and whether it is expired at once (the default)."""
    section = data.get("chpasswd")
    if not isinstance(section, Mapping):
        return
    expired = section.get("expire", True) is not False
    listed = section.get("list")
    lines = listed.splitlines() if isinstance(listed, str) else listed if isinstance(listed, list) else []
    for line in lines:
        name, colon, password = str(line).partition(":")
        if colon:
            plain = None if password in _RANDOM or _HASH.match(password) else SecretStr(password)
            yield name, plain, expired
    users = section.get("users")
    for entry in users if isinstance(users, list) else []:
        if isinstance(entry, Mapping) and entry.get("name"):
            plain = entry.get("password") if entry.get("type", "hash") == "text" else None
            yield str(entry["name"]), SecretStr(str(plain)) if plain else None, expired


def _secrets(node: object, *, below_secret: bool = False) -> Iterator[SecretStr]:
    """Every text below a key that holds passwords, so that no evidence shows it."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            secret = any(word in str(key).lower() for word in ("passw", "token", "secret", "private"))
            yield from _secrets(value, below_secret=secret or below_secret)
    elif isinstance(node, list):
        for item in node:
            yield from _secrets(item, below_secret=below_secret)
    elif below_secret and isinstance(node, str):
        for line in node.splitlines():
            yield SecretStr(line)
            if ":" in line:
                yield SecretStr(line.partition(":")[2].strip())


def _names(value: object) -> tuple[str, ...]:
    """A list of names, or a text of names between commas."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _mapping(text: str) -> Mapping[str, object]:
    """The YAML mapping in `text`; empty where there is none: cloud-init takes nothing from it either."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return data if isinstance(data, dict) else {}
