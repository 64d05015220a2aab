"""Which kernel of the image boots, and what it can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mic.errors import UserError
from mic.tree import Tree

_MODULES = "/usr/lib/modules"


@dataclass(frozen=True)
class Kernel:
    """A kernel of the image: its `version` (uname -r), the file at `path`, its build configuration.

    Names of modules have underscores, as the kernel has them. `directory` is that of its modules.
    """

    version: str
    path: str
    options: frozenset[str]
    modules: frozenset[str]
    builtin: frozenset[str]
    directory: str

    def has_option(self, option: str) -> bool | None:
        """Whether a CONFIG_ option is set, as y or m; None where the image does not say."""
        return option in self.options if self.options else None

    def needs_module(self, name: str) -> bool:
        """Whether the driver `name` is a module of this kernel (not built in, not missing)."""
        return name in self.modules and name not in self.builtin

    def has_driver(self, name: str) -> bool:
        return name in self.modules or name in self.builtin


def find_kernel(rootfs: Tree) -> Kernel:
    """The newest kernel that has both an image and a directory of modules; raises `UserError` if none."""
    modules = _MODULES if rootfs.exists(_MODULES) else "/lib/modules"
    found = []
    for version in rootfs.list(modules):
        # An empty directory is what a removed kernel package leaves behind.
        if not rootfs.is_file(f"{modules}/{version}/modules.dep"):
            continue
        for path in (f"/boot/vmlinuz-{version}", f"{modules}/{version}/vmlinuz"):
            if rootfs.is_file(path):
                found.append((_version_key(version), version, path))
                break
    if not found:
        raise UserError(
            "the image has no kernel: no /boot/vmlinuz-VERSION with its modules in /usr/lib/modules/VERSION",
            hint="install a kernel package in the image, linux-image-amd64 on Debian",
        )
    _, version, path = max(found)
    directory = f"{modules}/{version}"
    return Kernel(
        version=version,
        path=path,
        options=_options(rootfs.read_text(f"/boot/config-{version}") or rootfs.read_text(f"{directory}/config")),
        modules=_module_names(rootfs.read_text(f"{directory}/modules.dep")),
        builtin=_module_names(rootfs.read_text(f"{directory}/modules.builtin")),
        directory=directory,
    )


def _version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Orders 6.9 before 6.10 and a number before a word."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[a-z]+", version))


def _options(config: str) -> frozenset[str]:
    return frozenset(re.findall(r"^(CONFIG_\w+)=[ym]$", config, re.MULTILINE))


def _module_names(listing: str) -> frozenset[str]:
    """Module names, with underscores, from lines like ``kernel/fs/squashfs/squashfs.ko.xz: ...``."""
    names = re.findall(r"^(?:\S*/)?([^/\s]+?)\.ko(?:\.\w+)?:?", listing, re.MULTILINE)
    return frozenset(name.replace("-", "_") for name in names)
