"""Units in the booted machine: what systemctl says of their enablement, and what became of them at boot.

States and properties are those of systemctl(1) and org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from verify.checks.guest import Guest, in_machine
from verify.expectations.services import UnitDisabled, UnitEnabled
from verify.verdict import HarnessFault, ProductFailure

_ENABLED = frozenset({"enabled", "enabled-runtime", "alias"})
# Not enabled by links in /etc; whether it runs all the same is asked of its state.
_STARTED_BY_OTHERS = frozenset({"static", "indirect", "generated", "transient", "linked"})
_NOT_ENABLED = frozenset({"disabled", "masked", "masked-runtime", "not-found"}) | _STARTED_BY_OTHERS
_NO_FILE = "No such file or directory"
_PULLED_BY = ("WantedBy", "RequiredBy", "UpheldBy")
_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "Result", "InactiveExitTimestampMonotonic", "ConditionTimestampMonotonic",
    "ConditionResult", "AssertResult", "Requires", "BindsTo", "TriggeredBy", "FragmentPath", *_PULLED_BY,
)  # fmt: skip
_UP = frozenset({"active", "activating", "reloading", "refreshing"})


@dataclass(frozen=True)
class UnitState:
    """What ``systemctl show`` prints of a unit; properties that systemd does not know are empty."""

    properties: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> UnitState:
        return cls({line.partition("=")[0]: line.partition("=")[2] for line in text.split("\n") if "=" in line})

    def __getitem__(self, name: str) -> str:
        return self.properties.get(name, "")

    def units(self, *names: str) -> tuple[str, ...]:
        """The units in these properties."""
        return tuple(dict.fromkeys(unit for name in names for unit in self[name].split()))

    @property
    def is_up(self) -> bool:
        return self["ActiveState"] in _UP

    @property
    def has_failed(self) -> bool:
        return self["ActiveState"] == "failed" or self["Result"] not in ("", "success")

    @property
    def was_started(self) -> bool:
        return self["InactiveExitTimestampMonotonic"] not in ("", "0")

    @property
    def condition_kept_it(self) -> bool:
        """Whether a start was tried, and a condition of the unit was not met."""
        return self["ConditionTimestampMonotonic"] not in ("", "0") and self["ConditionResult"] == "no"

    @property
    def shown(self) -> str:
        return f"{self['ActiveState']} ({self['SubState']})"


@dataclass(frozen=True)
class Surroundings:
    """The active units that want a unit, those that start it when it is due, and the devices it lacks."""

    wanting: tuple[str, ...] = ()
    triggering: tuple[str, ...] = ()
    devices_missing: tuple[str, ...] = ()


@in_machine.of(UnitEnabled)
def unit_enabled(subject: UnitEnabled, guest: Guest) -> str:
    unit = subject.unit
    enablement = enablement_of(guest, unit)
    if enablement not in _ENABLED | _STARTED_BY_OTHERS:
        raise ProductFailure(f"{unit} is {enablement}, not enabled")
    if "@." in unit:
        # A template is never started itself; a failed instance is told by the check of all units.
        return f"{enablement}; {judge_template(unit, enablement)}"
    state = _state(guest, unit)
    also = _also(guest, state) if enablement == "indirect" else ()
    if any(enablement_of(guest, other) in _ENABLED for other in also):
        return f"{enablement}: {', '.join(also)} enabled with it; {state.shown}"
    around = Surroundings(
        wanting=_active_of(guest, state.units(*_PULLED_BY)),
        triggering=_active_of(guest, state.units("TriggeredBy")),
        devices_missing=_devices_missing(guest, state),
    )
    return f"{enablement}; {judge_enabled(unit, enablement, state, around)}"


def judge_template(unit: str, enablement: str) -> str:
    """Raises `ProductFailure` unless an instance of the template is enabled."""
    if enablement not in _ENABLED | {"indirect"}:
        raise ProductFailure(f"no instance of {unit} is enabled: it is {enablement}")
    return "its instances are started"


def judge_enabled(unit: str, enablement: str, state: UnitState, around: Surroundings) -> str:
    """Raises `ProductFailure` when the unit has failed, or was never started though something that is up wants it.

    A unit whose condition is not met, or whose target is not reached, is enabled and rightly at rest.
    """
    if state["LoadState"] != "loaded":
        raise ProductFailure(f"{unit} cannot be loaded: {state['LoadState']}")
    if state.has_failed:
        raise ProductFailure(f"{unit} has failed: {state.shown}, result {state['Result']}")
    if state.is_up:
        return state.shown
    if state["AssertResult"] == "no" and not state.was_started:
        raise ProductFailure(f"{unit} was not started: an assertion of it is not met")
    if state.was_started:
        return f"{state.shown}: it was started, and ended with success"
    return f"{state.shown}: {_why_at_rest(unit, enablement, state, around)}"


def _why_at_rest(unit: str, enablement: str, state: UnitState, around: Surroundings) -> str:
    """Of a unit that was never started; raises `ProductFailure` where that is not right."""
    if state.condition_kept_it:
        return "a condition of it is not met in this machine"
    if around.devices_missing:
        return f"it waits for {', '.join(around.devices_missing)}, which this machine does not have"
    if around.wanting:
        wanting = ", ".join(around.wanting)
        raise ProductFailure(f"{unit} is {enablement} and was never started, though {wanting} wants it")
    if around.triggering:
        return f"{', '.join(around.triggering)} starts it when it is due"
    if enablement not in _ENABLED:
        raise ProductFailure(f"{unit} is {enablement} and was never started: nothing that is up wants it")
    return "nothing that is up wants it"


@in_machine.of(UnitDisabled)
def unit_disabled(subject: UnitDisabled, guest: Guest) -> str:
    unit = subject.unit
    enablement = enablement_of(guest, unit)
    if enablement not in _NOT_ENABLED:
        raise ProductFailure(f"{unit} is {enablement}, not disabled")
    if "@." in unit:
        return enablement
    state = _state(guest, unit)
    wanting = _active_of(guest, state.units(*_PULLED_BY)) if state.is_up else ()
    return f"{enablement}; {judge_disabled(unit, state, wanting)}"


def judge_disabled(unit: str, state: UnitState, wanting: tuple[str, ...]) -> str:
    """Raises `ProductFailure` when the unit is up because a target wants it: then it starts at boot all the same.

    What a socket, a timer or another unit has started was asked for by that one: it is told, and no failure.
    """
    if not state.is_up:
        return state.shown if state["LoadState"] == "loaded" else state["LoadState"]
    if targets := [other for other in wanting if other.endswith(".target")]:
        raise ProductFailure(f"{unit} is disabled and runs all the same: {', '.join(targets)} starts it")
    by = tuple(dict.fromkeys((*wanting, *state.units("TriggeredBy"))))
    return f"{state.shown}: started by {', '.join(by) or 'a unit, a message or a user that asked for it'}"


def enablement_of(guest: Guest, unit: str) -> str:
    """What systemctl is-enabled says of a unit in one word; "not-found" where there is none."""
    # The last line: of a script of System V it first tells whom it asks.
    answer = guest.run(f"systemctl is-enabled {shlex.quote(unit)}")
    said = answer.stdout.strip().rpartition("\n")[2]
    if said:
        return said
    # systemd before 254 has no word for it.
    if _NO_FILE in answer.stderr:
        return "not-found"
    raise HarnessFault(f"{answer.command}: exit code {answer.exit_code}; {answer.stderr}")


def _state(guest: Guest, unit: str) -> UnitState:
    command = f"systemctl show --property={','.join(_PROPERTIES)} -- {shlex.quote(unit)}"
    state = UnitState.parse(guest.run(command).expect(0).stdout)
    if not state["LoadState"] or not state["ActiveState"]:
        raise HarnessFault(f"{command} shows no state of {unit}")
    return state


def _active_of(guest: Guest, units: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `units` that are active."""
    if not units:
        return ()
    # One line a unit, in their order; the exit code tells only whether any is.
    command = f"systemctl is-active -- {' '.join(shlex.quote(unit) for unit in units)}"
    states = guest.run(command).stdout.split("\n")
    if len(states) != len(units):
        raise HarnessFault(f"{command} printed {len(states)} lines for {len(units)} units")
    return tuple(unit for unit, state in zip(units, states, strict=True) if state in _UP)


def _devices_missing(guest: Guest, state: UnitState) -> tuple[str, ...]:
    """The devices that the unit needs and that are not there."""
    devices = tuple(unit for unit in state.units("Requires", "BindsTo") if unit.endswith(".device"))
    there = _active_of(guest, devices)
    return tuple(device for device in devices if device not in there)


def _also(guest: Guest, state: UnitState) -> tuple[str, ...]:
    """The units that the file says are enabled together with its own."""
    file = shlex.quote(state["FragmentPath"])
    return tuple(guest.run(f"sed -n 's/^Also=//p' {file}").expect(0).stdout.split())
