"""What modprobe.d says about single modules, and which of its files say it: modprobe.d(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from mic.customize.planned_tree import PlannedTree

ADMINISTRATORS = PurePosixPath("/etc/modprobe.d")
# The first directory that has a file of a name hides those of the others (kmod since 2; /usr/local/lib since 29).
_DIRECTORIES = (
    ADMINISTRATORS,
    PurePosixPath("/usr/local/lib/modprobe.d"),
    PurePosixPath("/usr/lib/modprobe.d"),
    PurePosixPath("/lib/modprobe.d"),
)
_BLACKLIST = re.compile(r"\s*blacklist\s+(?P<module>\S+)\s*")
# The usual way to forbid a module altogether; other commands do something and then load it.
_INSTALL_NOTHING = re.compile(r"\s*install\s+(?P<module>\S+)\s+(?:/usr)?(?:/s?bin/)?(?:true|false)\s*")
_REMARK = "# mic, SystemConfig.Modules.Load: "


def kernel_name(module: str) -> str:
    """The name as the kernel has it: hyphens and underscores are one (modprobe(8))."""
    return module.replace("-", "_")


@dataclass(frozen=True)
class Wanted:
    """Modules to be loaded by name, and all that is loaded with them, themselves among them.

    A blacklist entry stops what is loaded by name, not what another module needs; an install command stops both
    (kmod_module_probe_insert_module in libkmod-module.c).
    """

    named: frozenset[str]
    with_needed: frozenset[str]

    def kept_from_loading_by(self, line: str) -> str | None:
        """The one of the modules that a line of modprobe.d keeps from loading, or None."""
        for pattern, modules in ((_BLACKLIST, self.named), (_INSTALL_NOTHING, self.with_needed)):
            if (found := pattern.fullmatch(line)) and (module := kernel_name(found["module"])) in modules:
                return module
        return None


@dataclass(frozen=True)
class ConfigFile:
    """One file of modprobe.d that counts."""

    path: PurePosixPath
    text: str

    def keeps_from_loading(self, wanted: Wanted) -> frozenset[str]:
        """Those of the modules that lines of the file keep from loading."""
        found = (wanted.kept_from_loading_by(line) for line in self.text.splitlines())
        return frozenset(module for module in found if module is not None)

    def allowing(self, wanted: Wanted) -> str:
        """The text with the lines against those modules made comments."""
        lines = self.text.splitlines(keepends=True)
        return "".join(_REMARK + line if wanted.kept_from_loading_by(line.rstrip("\n")) else line for line in lines)


def config_files(image: PlannedTree) -> Iterator[ConfigFile]:
    """The files that count, in the order in which modprobe reads them."""
    found: dict[str, ConfigFile] = {}
    for directory in _DIRECTORIES:
        for name in image.list(directory):
            if name.endswith(".conf") and name not in found:
                found[name] = ConfigFile(directory / name, image.read_text(directory / name))
    yield from (found[name] for name in sorted(found))
