"""SELinux: switched off, as far as a live medium goes."""

from __future__ import annotations

import re

from mic.config import Config, SELinuxMode
from mic.errors import UserError
from mic.tree import Tree

CONFIG = "/etc/selinux/config"
_KEY = "SystemConfig.KernelCommandLine.SELinux"
_MODE = re.compile(r"^([ \t]*SELINUX[ \t]*=).*$", re.MULTILINE)


def check(config: Config) -> list[UserError]:
    """A mode other than disabled: what is changed here has no labels, and so has what the live overlay adds."""
    mode = config.system_config.kernel_command_line.selinux
    if mode in (None, SELinuxMode.DISABLED):
        return []
    assert mode is not None
    message = f"{mode.value} cannot be had on a live medium: files that are made or changed have no SELinux labels"
    return [config.problem(_KEY, message, "leave it out, or say disabled")]


def apply(rootfs: Tree, config: Config) -> None:
    """Writes the mode to the image's configuration, where it has one; the kernel argument is the medium's."""
    if config.system_config.kernel_command_line.selinux is SELinuxMode.DISABLED and rootfs.is_file(CONFIG):
        text = rootfs.read_text(CONFIG)
        changed = _MODE.sub(r"\1disabled", text) if _MODE.search(text) else text + "\nSELINUX=disabled\n"
        rootfs.write(CONFIG, changed.encode(errors="surrogateescape"))
