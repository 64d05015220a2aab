"""How long a boot may take until each of its phases."""

from __future__ import annotations

from dataclasses import dataclass

from verify.machine.phase import Phase


@dataclass(frozen=True)
class PhaseLimit:
    """`phase` is to be reached within `seconds` of the machine's start, on hardware with KVM."""

    phase: str
    seconds: float


@dataclass(frozen=True)
class BootBudget:
    """The limits of a scenario. A `hard` one decides the verdict, any other only warns."""

    limits: tuple[PhaseLimit, ...]
    hard: bool = False

    def limit(self, phase: str, time_scale: float) -> float | None:
        """Seconds until `phase` on a machine that is `time_scale` times slower than KVM; None for no limit."""
        return next((limit.seconds * time_scale for limit in self.limits if limit.phase == phase), None)

    @property
    def words(self) -> str:
        """The limits for people: ``kernel 5 s, login 20 s``."""
        by_order = sorted(self.limits, key=lambda limit: _ORDER.index(limit.phase))
        return ", ".join(f"{limit.phase} {limit.seconds:g} s" for limit in by_order)


_ORDER = [str(phase) for phase in Phase]
