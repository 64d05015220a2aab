"""Kernel modules, as the files below modules-load.d, modprobe.d and /lib/modules name them; texts in, names out."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verify.audit.kernel import module_names
from verify.expectations.kernel_modules import kernel_name


def names_to_load(text: str) -> tuple[str, ...]:
    """The modules of a file of modules-load.d(5) or modules(5): the first word of each line, as the kernel has it."""
    # systemd takes ; for a comment too; a parameter may follow the name in Debian's modules(5).
    lines = (line.strip() for line in text.split("\n"))
    return tuple(kernel_name(line.split()[0]) for line in lines if line and line[0] not in "#;")


@dataclass(frozen=True)
class ModprobeRules:
    """What modprobe.d(5) says: modules that no alias loads, and aliases by their pattern."""

    blacklisted: frozenset[str]
    aliases: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> ModprobeRules:
        """From files of modprobe.d, or from what ``modprobe --showconfig`` prints."""
        blacklisted, aliases = set(), []
        for text in texts:
            # A backslash continues a line.
            for line in text.replace("\\\n", " ").split("\n"):
                words = line.split()
                if words[:1] == ["blacklist"] and len(words) > 1:
                    blacklisted.add(kernel_name(words[1]))
                elif words[:1] == ["alias"] and len(words) > 2:
                    aliases.append((kernel_name(words[1]), kernel_name(words[2])))
        return cls(frozenset(blacklisted), tuple(aliases))


@dataclass(frozen=True)
class KernelModules:
    """The modules of one kernel: those that can be loaded, those that are built in, and their aliases."""

    loadable: frozenset[str]
    builtin: frozenset[str]
    aliases: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, files: Mapping[str, str]) -> KernelModules:
        """From modules.dep, modules.builtin, modules.alias and, packed with NULs, modules.builtin.modinfo."""
        of_builtin = re.findall(r"(?:^|\0)([^.\0]+)\.alias=([^\0]+)", files.get("modules.builtin.modinfo", ""))
        aliases = ModprobeRules.parse([files.get("modules.alias", "")]).aliases
        return cls(
            module_names(files.get("modules.dep", "")),
            module_names(files.get("modules.builtin", "")),
            (*aliases, *((kernel_name(alias), kernel_name(module)) for module, alias in of_builtin)),
        )

    def meant_by(self, name: str, rules: ModprobeRules) -> frozenset[str]:
        """The modules that `name`, a module or an alias, stands for; none where the kernel has no such thing."""
        if name in self.loadable | self.builtin:
            return frozenset({name})
        known = (*rules.aliases, *self.aliases)
        meant = {module for pattern, module in known if fnmatch.fnmatchcase(name, pattern)}
        return frozenset(meant & (self.loadable | self.builtin))
