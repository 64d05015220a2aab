"""SystemConfig.Modules, and what every live medium promises of the modules that it names itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mic.config import Config
from verify.expectations.expectation import Expectation, Place, Subject, named
from verify.expectations.live import SOURCE


@dataclass(frozen=True)
class ModuleLoaded(Subject):
    """A module, or an alias of some, that is to be loaded at boot. `name` as the kernel writes it."""

    name: str


@dataclass(frozen=True)
class ModuleKeptOut(Subject):
    """A module with an entry in the blacklist, and not loaded. `name` as the kernel writes it."""

    name: str


@dataclass(frozen=True)
class ModulesToLoadExist(Subject):
    """The kernel has every module that /etc/modules-load.d or /etc/modules asks for.

    systemd 252 logs that a module is missing, and calls it no failure. What a package of the distribution brought
    is passed over: cups-filters asks for parallel ports that a kernel for clouds does not have.
    """


def expected_modules(config: Config) -> Iterator[Expectation]:
    """Both lists, on the medium and in the machine."""
    modules = config.system_config.modules
    for module in modules.load:
        name = kernel_name(module.name)
        loaded, id = ModuleLoaded(name), named("module", name, "loaded")
        yield Expectation(id, f"Module {name} is to be loaded at boot", module.key_path, Place.MEDIUM, loaded)
        yield Expectation(id, f"Module {name} is loaded or built in", module.key_path, Place.MACHINE, loaded)
    for module in modules.disable:
        name = kernel_name(module.name)
        kept_out, id = ModuleKeptOut(name), named("module", name, "kept-out")
        yield Expectation(id, f"Module {name} is in the blacklist", module.key_path, Place.MEDIUM, kept_out)
        requirement = f"Module {name} is in the blacklist and not loaded"
        yield Expectation(id, requirement, module.key_path, Place.MACHINE, kept_out)


def expected_of_modules_to_load() -> Iterator[Expectation]:
    """For every live medium."""
    for place in (Place.MEDIUM, Place.MACHINE):
        requirement = "The kernel has every module that the image asks for at boot"
        yield Expectation(named("live", "modules-to-load"), requirement, SOURCE, place, ModulesToLoadExist())


def kernel_name(name: str) -> str:
    """The name as the kernel has it: hyphens and underscores are one (modprobe(8))."""
    return name.replace("-", "_")
