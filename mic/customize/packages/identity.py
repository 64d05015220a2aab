"""What the scripts of packages make for one machine, and every machine booted from the medium would share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mic.rootfs.view import Rootfs
from mic.tree import Tree

_MACHINE_ID = "/etc/machine-id"
_DBUS_MACHINE_ID = "/var/lib/dbus/machine-id"
_SSH = "/etc/ssh"
_HOST_KEY = re.compile(r"ssh_host_\w+_key")


@dataclass(frozen=True)
class Identity:
    """The files by which a machine is told from others; `machine_ids` are paths, `host_keys` names in /etc/ssh."""

    machine_ids: frozenset[str]
    host_keys: frozenset[str]


def identity_of(rootfs: Tree) -> Identity:
    """What the image has of its own; an empty machine-id and "uninitialized" are none (machine-id(5))."""
    ids = {
        path
        for path in (_MACHINE_ID, _DBUS_MACHINE_ID)
        if rootfs.is_file(path) and rootfs.read_text(path).strip() not in ("", "uninitialized")
    }
    return Identity(frozenset(ids), frozenset(filter(_HOST_KEY.fullmatch, rootfs.list(_SSH))))


def forget_new_identity(rootfs: Rootfs, before: Identity) -> list[str]:
    """Takes machine-ids away that were not there `before`; returns what the user should know of the rest."""
    now = identity_of(rootfs.tree)
    if _MACHINE_ID in now.machine_ids - before.machine_ids:
        rootfs.tree.write(_MACHINE_ID, b"")
    # dbus goes by /etc/machine-id where it has none of its own. A link to that one has been emptied with it.
    if _DBUS_MACHINE_ID in identity_of(rootfs.tree).machine_ids - before.machine_ids:
        rootfs.sandbox.run("rm", "-f", _DBUS_MACHINE_ID)
    if not now.host_keys - before.host_keys:
        return []
    return [
        "the packages made SSH host keys, which every machine booted from the medium will have in common, unless "
        "cloud-init makes new ones (else remove /etc/ssh/ssh_host_* and have ssh-keygen -A run at boot)"
    ]
