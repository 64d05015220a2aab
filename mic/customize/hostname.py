"""The host name: /etc/hostname, and the old name replaced in /etc/hosts."""

from __future__ import annotations

import re

from mic.tree import Tree


def apply(rootfs: Tree, name: str) -> None:
    """Writes `name` to /etc/hostname and puts it where /etc/hosts has the old one."""
    old = _first_name(rootfs.read_text("/etc/hostname"))
    rootfs.write("/etc/hostname", f"{name}\n".encode())
    hosts = rootfs.read_text("/etc/hosts")
    if old and (changed := renamed_hosts(hosts, old, name)) != hosts:
        rootfs.write("/etc/hosts", changed.encode(errors="surrogateescape"))


def _first_name(text: str) -> str:
    """hostname(5): the first line that is neither empty nor a comment."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")


def renamed_hosts(hosts: str, old: str, new: str) -> str:
    """`hosts` with `old` replaced by `new` where it is a whole name or the first label of one.

    ``localhost`` stays, whatever the machine was called: programs rely on it.
    """
    if old == "localhost":
        return hosts
    name = re.compile(rf"(?<=\s){re.escape(old)}(?=[.\s]|$)")
    lines = []
    for line in hosts.splitlines(keepends=True):
        entry, mark, comment = line.partition("#")
        lines.append(name.sub(new, entry) + mark + comment)
    return "".join(lines)
