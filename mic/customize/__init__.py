"""The writable view and the configuration come in; the view, changed, goes out. One file per kind of change.

Every kind has a check, which runs before anything is changed and knows only the view, and an apply.
"""

from __future__ import annotations

from mic.config import Config
from mic.customize import cloud_init, files, hostname, users
from mic.errors import UserError
from mic.progress import Progress
from mic.rootfs.sandbox import Sandbox
from mic.tree import Tree


def check(rootfs: Tree, config: Config) -> list[UserError]:
    """Everything in the configuration that this image cannot satisfy, in the configuration's order."""
    return [
        *files.check(rootfs, config.system_config.additional_files),
        *users.check(rootfs, config),
    ]


def apply(rootfs: Tree, sandbox: Sandbox, config: Config, progress: Progress) -> None:
    """Carries the changes out in the contract's order: host name, files, users, then what the live boot needs."""
    system = config.system_config
    if system.hostname is not None:
        hostname.apply(rootfs, system.hostname)
    files.apply(rootfs, system.additional_files)
    users.apply(rootfs, sandbox, system.users)
    for correction in cloud_init.apply(rootfs, config.kernel_arguments):
        progress.warn(correction)
