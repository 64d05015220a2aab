"""The writable view and the configuration come in; the view, changed, goes out. One file per kind of change.

Every kind has a check, which runs before anything is changed and knows only the view, and an apply. What packages
to come may bring (a group, a unit, a module) is no error of the check; apply looks again, in the same words.
"""

from __future__ import annotations

from pathlib import Path

from mic.config import Config
from mic.customize import (
    cloud_init,
    files,
    hostname,
    modules,
    packages,
    release_file,
    scripts,
    selinux,
    services,
    users,
)
from mic.customize.packages import PackageSources
from mic.errors import UserError
from mic.progress import Progress
from mic.rootfs.view import Rootfs

__all__ = ["PackageSources", "apply", "check"]


def check(view: Rootfs, config: Config, sources: PackageSources) -> list[UserError]:
    """Everything in the configuration that this image cannot satisfy, in the order of the work."""
    rootfs = view.tree
    return [
        *packages.check(view, config, sources),
        *files.check(rootfs, config.system_config.additional_files),
        *users.check(rootfs, config),
        *services.check(rootfs, config),
        *modules.check(rootfs, config),
        *release_file.check(),
        *scripts.check(rootfs, config),
        *selinux.check(config),
    ]


def apply(view: Rootfs, config: Config, sources: PackageSources, workspace: Path, progress: Progress) -> None:
    """Carries the changes out in the contract's order, packages first."""
    rootfs, sandbox, system = view.tree, view.sandbox, config.system_config
    packages.apply(view, config, sources, workspace, progress)
    if system.hostname is not None:
        hostname.apply(rootfs, system.hostname)
    files.apply(rootfs, system.additional_files)
    users.apply(rootfs, sandbox, config)
    services.apply(rootfs, sandbox, config, progress)
    modules.apply(rootfs, config, progress)
    release_file.apply(rootfs)
    scripts.apply(rootfs, sandbox, config, system.post_install_scripts, progress)
    for correction in cloud_init.apply(rootfs, config.kernel_arguments):
        progress.warn(correction)
    selinux.apply(rootfs, config)
    scripts.apply(rootfs, sandbox, config, system.finalize_image_scripts, progress)
