"""Units: the links of a real systemctl are read on the medium; what systemd says of units is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mic.config import Config
from mic.programs import run
from tests.verify.conftest import WriteConfig
from tests.verify.medium_checks import MediumChecks, check_medium
from tests.verify.small_medium import SmallMedium
from verify.checks.units_in_machine import (
    Surroundings,
    UnitState,
    judge_disabled,
    judge_enabled,
    judge_template,
)
from verify.expectations.services import UnitDisabled, UnitEnabled, expected_services, unit_name
from verify.verdict import ProductFailure

INSTALL = "[Install]\nWantedBy=multi-user.target\n"
SERVICE = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n"
UNITS = {
    "wanted.service": SERVICE + INSTALL,
    "required.service": SERVICE + "[Install]\nRequiredBy = basic.target\n",
    "named.service": SERVICE + "[Install]\nAlias=other.service\n",
    "listen.socket": "[Socket]\nListenStream=/run/x\n[Install]\nWantedBy=sockets.target\n",
    "instance@.service": SERVICE + INSTALL,
    "default@.service": SERVICE + INSTALL + "DefaultInstance=one\n",
    "static.service": SERVICE,
    "commented.service": SERVICE + "[Install]\n# WantedBy=multi-user.target\n",
}
VENDOR = "usr/lib/systemd/system"
CONFIGURED = "etc/systemd/system"
Checked = Callable[..., MediumChecks]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("ssh", "ssh.service"),
        ("ssh.service", "ssh.service"),
        ("ssh.socket", "ssh.socket"),
        ("systemd-tmpfiles-clean.timer", "systemd-tmpfiles-clean.timer"),
        ("getty@tty1", "getty@tty1.service"),
        ("org.example.Thing", "org.example.Thing.service"),
        ("service", "service.service"),
    ],
)
def test_a_units_name_is_read_as_systemctl_reads_it(name: str, unit: str) -> None:
    assert unit_name(name) == unit


def test_each_unit_is_looked_for_in_both_places(configured: Callable[..., Config]) -> None:
    config = configured("SystemConfig:\n  Services:\n    Enable: [a]\n    Disable: [{Name: b.timer}]\n")
    expected = [(e.id, e.source, e.subject) for e in expected_services(config)]
    enabled = ("unit.a.service.enabled", "SystemConfig.Services.Enable[0]", UnitEnabled("a.service"))
    disabled = ("unit.b.timer.disabled", "SystemConfig.Services.Disable[0].Name", UnitDisabled("b.timer"))
    assert expected == [enabled, enabled, disabled, disabled]


@pytest.fixture
def checked(tmp_path: Path, write_config: WriteConfig) -> Checked:
    """Has a real systemctl work on a rootfs with `UNITS`, and checks a medium with that rootfs."""

    def check(
        key: str, unit: str, *commands: tuple[str, ...], change: Callable[[SmallMedium], None] | None = None
    ) -> MediumChecks:
        root = tmp_path / "root"
        for name, text in UNITS.items():
            (root / VENDOR).mkdir(parents=True, exist_ok=True)
            (root / VENDOR / name).write_text(text)
        for command in commands:
            run("systemctl", f"--root={root}", *command)
        medium = SmallMedium()
        for path in root.rglob("*"):
            name = str(path.relative_to(root))
            if path.is_symlink():
                medium.links[name] = str(path.readlink())
            elif path.is_file():
                medium.rootfs[name] = path.read_text()
        if change is not None:
            change(medium)
        config = write_config(f"SystemConfig: {{Services: {{{key}: ['{unit}']}}}}\n")
        return check_medium(medium, config, tmp_path)

    return check


@pytest.mark.parametrize(
    ("unit", "enable", "link"),
    [
        ("wanted", "wanted", "multi-user.target.wants/wanted.service"),
        ("required", "required", "basic.target.requires/required.service"),
        ("named", "named", "other.service"),
        ("listen.socket", "listen.socket", "sockets.target.wants/listen.socket"),
        ("instance@two", "instance@two", "multi-user.target.wants/instance@two.service"),
        ("default@", "default@", "multi-user.target.wants/default@one.service"),
    ],
)
def test_enabled_by_systemctl_is_enabled_on_the_medium(checked: Checked, unit: str, enable: str, link: str) -> None:
    checks = checked("Enable", unit, ("enable", enable))
    assert not checks.failures
    assert f"/{CONFIGURED}/{link}" in checks.seen[f"unit.{unit_name(unit)}.enabled"]


@pytest.mark.parametrize("unit", ["wanted", "required", "named", "listen.socket", "default@"])
def test_disabled_again_by_systemctl_is_disabled_on_the_medium(checked: Checked, unit: str) -> None:
    checks = checked("Disable", unit, ("enable", unit), ("disable", unit))
    assert not checks.failures
    assert "no link" in checks.seen[f"unit.{unit_name(unit)}.disabled"]


@pytest.mark.parametrize(
    ("unit", "commands", "reason"),
    [
        ("wanted", [], "wanted.service is not enabled: no link leads to /usr/lib/systemd/system/wanted.service"),
        ("instance@two", [("enable", "instance@one")], "instance@two.service is not enabled"),
        ("default@", [], "default@.service is not enabled"),
        ("wanted", [("enable", "wanted"), ("mask", "wanted")], "wanted.service is masked"),
        ("wnated", [("enable", "wanted")], "the rootfs has no unit wnated.service"),
    ],
)
def test_unit_that_is_not_enabled_is_named(
    checked: Checked, unit: str, commands: list[tuple[str, ...]], reason: str
) -> None:
    (failure,) = checked("Enable", unit, *commands).failures.values()
    assert failure.startswith(reason)


@pytest.mark.parametrize("unit", ["wanted", "required", "named", "listen.socket", "instance@two", "default@"])
def test_unit_that_is_still_enabled_is_named(checked: Checked, unit: str) -> None:
    (failure,) = checked("Disable", unit, ("enable", unit)).failures.values()
    assert failure.startswith(f"{unit_name(unit)} is enabled: /{CONFIGURED}/")


@pytest.mark.parametrize("unit", ["static", "commented"])
def test_unit_that_nothing_can_enable_is_left_to_the_machine(checked: Checked, unit: str) -> None:
    assert "the machine shows" in checked("Enable", unit).seen[f"unit.{unit}.service.enabled"]


@pytest.mark.parametrize(("commands", "seen"), [([("mask", "wanted")], "masked"), ([], "no link")])
def test_masked_unit_is_disabled(checked: Checked, commands: list[tuple[str, ...]], seen: str) -> None:
    assert seen in checked("Disable", "wanted", *commands).seen["unit.wanted.service.disabled"]


def test_link_to_nothing_that_hides_a_packages_own_enables_nothing(checked: Checked) -> None:
    def change(medium: SmallMedium) -> None:
        medium.links[f"{VENDOR}/multi-user.target.wants/wanted.service"] = "../wanted.service"
        medium.links[f"{CONFIGURED}/multi-user.target.wants/wanted.service"] = "/dev/null"

    assert not checked("Disable", "wanted", change=change).failures


@pytest.mark.parametrize(
    ("key", "link", "fails", "said"),
    [
        ("Enable", "S01old", False, "enabled by /etc/rc3.d/S01old"),
        ("Enable", "K01old", True, "old.service is not enabled"),
        ("Disable", "S01old", True, "old.service is enabled: /etc/rc3.d/S01old"),
        ("Disable", "K01old", False, "no link"),
    ],
)
def test_script_of_system_v_is_enabled_by_its_runlevels(
    checked: Checked, key: str, link: str, fails: bool, said: str
) -> None:
    def change(medium: SmallMedium) -> None:
        medium.rootfs["etc/init.d/old"] = "#!/bin/sh\n"
        medium.links[f"etc/rc3.d/{link}"] = "../init.d/old"

    checks = checked(key, "old", change=change)
    assert said in (checks.failures if fails else checks.seen)[f"unit.old.service.{key.lower()}d"]


# What `systemctl show` of systemd 252 prints, one property changed at a time.
RUNNING = """\
LoadState=loaded
ActiveState=active
SubState=running
Result=success
InactiveExitTimestampMonotonic=5161524
ConditionTimestampMonotonic=5161100
ConditionResult=yes
AssertResult=yes
Requires=system.slice sysinit.target
BindsTo=
TriggeredBy=
FragmentPath=/lib/systemd/system/cron.service
WantedBy=multi-user.target
RequiredBy=
"""


def state(**changes: str) -> UnitState:
    lines = [line for line in RUNNING.splitlines() if line.partition("=")[0] not in changes]
    return UnitState.parse("\n".join((*lines, *(f"{name}={value}" for name, value in changes.items()))))


NEVER = {
    "ActiveState": "inactive", "SubState": "dead", "InactiveExitTimestampMonotonic": "0",
    "ConditionTimestampMonotonic": "0", "ConditionResult": "no",
}  # fmt: skip
DONE = state(ActiveState="inactive", SubState="dead")
UNMET = state(**NEVER | {"ConditionTimestampMonotonic": "4000000"})
TARGET = Surroundings(wanting=("multi-user.target",))
NOTHING = Surroundings()


@pytest.mark.parametrize(
    ("judgement", "seen"),
    [
        (lambda: judge_enabled("u", "enabled", state(), TARGET), "active (running)"),
        (lambda: judge_enabled("u", "static", state(), TARGET), "active (running)"),
        (lambda: judge_enabled("u", "enabled", state(Result=""), TARGET), "active"),
        (lambda: judge_enabled("u", "enabled", DONE, TARGET), "it was started, and ended with success"),
        (lambda: judge_enabled("u", "enabled", UNMET, TARGET), "a condition of it is not met"),
        (
            lambda: judge_enabled("u", "enabled", state(**NEVER), Surroundings(TARGET.wanting, (), ("dev-x.device",))),
            "it waits for dev-x.device",
        ),
        (lambda: judge_enabled("u", "enabled", state(**NEVER), NOTHING), "nothing that is up wants it"),
        (lambda: judge_enabled("u", "static", state(**NEVER), Surroundings((), ("u.timer",))), "u.timer starts it"),
        (lambda: judge_template("u@.service", "indirect"), "instances"),
        (lambda: judge_disabled("u", state(**NEVER), ()), "inactive (dead)"),
        (lambda: judge_disabled("u", state(**NEVER, LoadState="not-found"), ()), "not-found"),
        (lambda: judge_disabled("u", state(), ()), "started by a unit, a message or a user"),
        (lambda: judge_disabled("u", state(TriggeredBy="u.socket"), ()), "started by u.socket"),
        (lambda: judge_disabled("u", state(), ("other.service",)), "started by other.service"),
        # What a target wants and does not run does not start.
        (lambda: judge_disabled("u", UNMET, TARGET.wanting), "inactive"),
    ],
)
def test_unit_that_is_as_it_should_be_passes_and_says_how(judgement: Callable[[], str], seen: str) -> None:
    assert seen in judgement()


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        (
            lambda: judge_enabled("u", "enabled", state(ActiveState="failed", Result="exit-code"), TARGET),
            "u has failed: failed .running., result exit-code",
        ),
        (
            lambda: judge_enabled("u", "enabled", state(ActiveState="activating", Result="exit-code"), TARGET),
            "u has failed: activating",
        ),
        (
            lambda: judge_enabled("u", "enabled", state(**NEVER), TARGET),
            "never started, though multi-user.target wants it",
        ),
        (lambda: judge_enabled("u", "static", state(**NEVER), NOTHING), "u is static and was never started"),
        (lambda: judge_enabled("u", "enabled", state(**NEVER, AssertResult="no"), TARGET), "an assertion"),
        (lambda: judge_enabled("u", "enabled", state(LoadState="bad-setting"), TARGET), "cannot be loaded"),
        (lambda: judge_template("u@.service", "static"), "no instance of u@.service is enabled"),
        (lambda: judge_disabled("u", state(), TARGET.wanting), "runs all the same: multi-user.target starts it"),
        (
            lambda: judge_disabled("u", state(ActiveState="activating"), ("x.service", "a.target")),
            "a.target starts it",
        ),
    ],
)
def test_unit_that_is_not_as_it_should_be_is_named(judgement: Callable[[], str], reason: str) -> None:
    with pytest.raises(ProductFailure, match=reason):
        judgement()
