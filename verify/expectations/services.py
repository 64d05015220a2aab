"""SystemConfig.Services: units that start at boot, and units that do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mic.config import Config
from verify.expectations.expectation import Expectation, Place, Subject, named

# systemd.unit(5); what ends in none of them is a service to systemctl.
_UNIT_TYPES = (
    "service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope",
)  # fmt: skip


@dataclass(frozen=True)
class UnitEnabled(Subject):
    """The unit is enabled; in the machine it was started as well, and has not failed."""

    unit: str


@dataclass(frozen=True)
class UnitDisabled(Subject):
    """Nothing enables the unit; in the machine no target has started it either."""

    unit: str


def expected_services(config: Config) -> Iterator[Expectation]:
    """Both lists, on the medium and in the machine."""
    services = config.system_config.services
    for service in services.enable:
        unit = unit_name(service.name)
        yield from _in_both("enabled", f"Unit {unit} is enabled", service.key_path, UnitEnabled(unit), "and has run")
    for service in services.disable:
        unit = unit_name(service.name)
        more = "and does not start at boot"
        yield from _in_both("disabled", f"Unit {unit} is disabled", service.key_path, UnitDisabled(unit), more)


def _in_both(
    state: str, requirement: str, source: str, subject: UnitEnabled | UnitDisabled, more: str
) -> Iterator[Expectation]:
    id = named("unit", subject.unit, state)
    yield Expectation(id, requirement, source, Place.MEDIUM, subject)
    yield Expectation(id, f"{requirement} {more}", source, Place.MACHINE, subject)


def unit_name(name: str) -> str:
    """The name as systemctl takes it: ``.service`` is added where no type of unit ends it (systemctl(1))."""
    stem, _, suffix = name.rpartition(".")
    return name if stem and suffix in _UNIT_TYPES else f"{name}.service"
