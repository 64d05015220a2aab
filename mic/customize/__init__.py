"""The writable view and the configuration come in; the view, changed, goes out. One file per kind of change.

Every kind has a check, which runs before anything is changed and knows only the view, and an apply.
"""

from __future__ import annotations

from pathlib import Path

from mic.config import Config
from mic.customize import cloud_init, files, hostname, packages, users
from mic.customize.packages import PackageSources
from mic.errors import UserError
from mic.progress import Progress
from mic.rootfs.view import Rootfs

__all__ = ["PackageSources", "apply", "check"]


def check(view: Rootfs, config: Config, sources: PackageSources) -> list[UserError]:
    """Everything in the configuration that this image cannot satisfy, in the configuration's order."""
    rootfs = view.tree
    return [
        *packages.check(view, config, sources),
        *files.check(rootfs, config.system_config.additional_files),
        *users.check(rootfs, config),
    ]


def apply(view: Rootfs, config: Config, sources: PackageSources, workspace: Path, progress: Progress) -> None:
    """Carries the changes out in the contract's order, packages first."""
    rootfs, sandbox, system = view.tree, view.sandbox, config.system_config
    packages.apply(view, config, sources, workspace, progress)
    if system.hostname is not None:
        hostname.apply(rootfs, system.hostname)
    files.apply(rootfs, system.additional_files)
    users.apply(rootfs, sandbox, system.users)
    for correction in cloud_init.apply(rootfs, config.kernel_arguments):
        progress.warn(correction)
