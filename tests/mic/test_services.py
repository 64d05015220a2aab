"""Units of real images, enabled and disabled by their own systemctl."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mic.customising import Isolated, Outcome, customised, write_config

pytestmark = pytest.mark.image

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
STATIC = "[Service]\nExecStart=/bin/true\n"
OLD_SCRIPT = """
cat > /etc/init.d/old-script <<.
#!/bin/sh
### BEGIN INIT INFO
# Provides: old-script
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
.
chmod +x /etc/init.d/old-script
"""
BROUGHT_UNIT = f"""
cd /usr/lib/systemd/system
mkdir -p multi-user.target.wants
cat > brought.service <<.
{UNIT}.
ln -s ../brought.service multi-user.target.wants/brought.service
"""
Customise = Callable[..., Outcome]


@pytest.fixture(params=["bookworm", "trixie"])
def image(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture
def customise(image: Path, tmp_path: Path, isolated: Isolated[Outcome]) -> Customise:
    def run(text: str, afterwards: str = "true", before: str = "true", **files: str) -> Outcome:
        config = write_config(tmp_path, text, {name.replace("_", "."): content for name, content in files.items()})
        return isolated(lambda workspace: customised(image, config, workspace, afterwards, before))

    return run


def test_units_are_enabled_and_disabled_as_systemctl_sees_it(customise: Customise) -> None:
    outcome = customise(
        """
SystemConfig:
  AdditionalFiles: {own.service: /etc/systemd/system/own.service}
  Services:
    Enable: [own, debug-shell, getty@tty4.service, old-script]
    Disable: [{Name: cloud-final.service}, systemd-networkd]
""",
        "systemctl is-enabled own debug-shell getty@tty4 old-script cloud-final systemd-networkd 2>/dev/null",
        before=OLD_SCRIPT,
        own_service=UNIT,
    )
    assert outcome.errors == ""
    assert outcome.printed.split() == [*["enabled"] * 4, *["disabled"] * 2]


def test_unit_that_a_package_links_in_itself_does_not_start_once_disabled(customise: Customise) -> None:
    """`systemctl disable` leaves links in /usr/lib alone, and is-enabled says disabled all the same."""
    outcome = customise(
        "SystemConfig: {Services: {Disable: [brought]}}",
        "find / -xdev -path '*.wants/brought.service'; systemctl is-enabled brought",
        before=BROUGHT_UNIT,
    )
    assert (outcome.errors, outcome.printed) == ("", "disabled\n")


def test_first_boot_presets_do_not_undo_it(customise: Customise) -> None:
    """A machine without a machine-id runs `systemctl preset-all`, and Debian's presets enable everything."""
    outcome = customise(
        "SystemConfig: {Services: {Enable: [debug-shell], Disable: [systemd-networkd]}}",
        "systemctl preset-all 2>/dev/null; systemctl is-enabled debug-shell systemd-networkd cloud-final",
    )
    assert outcome.errors == ""
    assert outcome.printed.split() == ["enabled", "disabled", "enabled"]


def test_what_cannot_be_enabled_or_disabled_is_told_before_anything_is_changed(
    customise: Customise, tmp_path: Path
) -> None:
    outcome = customise(
        """
SystemConfig:
  Hostname: changed
  AdditionalFiles:
    static.service: [/etc/systemd/system/static.service, /etc/systemd/system/timed.service]
    timed.timer: /lib/systemd/system/timed.timer
  Services:
    Enable:
    - cloud-finnal
    - fstrim.timer
    - timed
    - static
    - systemd-networkd-wait-online@
    Disable:
    - dbus
    - nosuch
""",
        "cat /etc/hostname; ls /etc/mariner-customizer-release",
        static_service=STATIC,
        timed_timer="[Timer]\nOnBootSec=1\n[Install]\nWantedBy=timers.target\n",
    )
    assert "changed" not in outcome.printed
    assert "No such file" in outcome.printed
    path = f"{tmp_path}/config.yaml"
    assert outcome.errors.splitlines() == [
        f"{path}:9:7: SystemConfig.Services.Enable[0]: the image has no unit cloud-finnal.service"
        " (did you mean cloud-final?)",
        f"{path}:10:7: SystemConfig.Services.Enable[1]: fstrim.timer is masked in the image"
        " (/etc/systemd/system/fstrim.timer) (systemctl unmask fstrim.timer in the image first)",
        f"{path}:11:7: SystemConfig.Services.Enable[2]: timed.service has no [Install] section, so it cannot be"
        " enabled, and nothing in the image starts it (enable timed.timer, which does)",
        f"{path}:12:7: SystemConfig.Services.Enable[3]: static.service has no [Install] section, so it cannot be"
        " enabled, and nothing in the image starts it (add [Install] with WantedBy= to it, or enable its starter)",
        f"{path}:13:7: SystemConfig.Services.Enable[4]: systemd-networkd-wait-online@.service is a template, of which"
        " one instance can be enabled (name an instance, as in systemd-networkd-wait-online@NAME.service)",
        f"{path}:15:7: SystemConfig.Services.Disable[0]: dbus.service has no [Install] section, so it cannot be"
        " disabled; dbus.socket (and 1 more) starts it (systemctl mask dbus.service in a script keeps it from"
        " starting)",
        f"{path}:16:7: SystemConfig.Services.Disable[1]: the image has no unit nosuch.service"
        " (is the package that brings it installed?)",
    ]


def test_unit_that_starts_without_being_enabled_is_let_through_with_a_note(customise: Customise) -> None:
    outcome = customise("SystemConfig: {Services: {Enable: [systemd-logind, procps, systemd-timedated]}}")
    assert outcome.errors == ""
    assert "systemd-logind.service has no [Install] section and needs no enabling: multi-user.target" in outcome.said
    assert "systemd-sysctl.service has no [Install] section and needs no enabling: sysinit.target" in outcome.said
    assert "systemd-timedated.service has no [Install] section and needs no enabling: D-Bus starts it" in outcome.said


def test_unit_that_another_still_starts_is_told(customise: Customise) -> None:
    outcome = customise(
        """
SystemConfig:
  AdditionalFiles:
    own.service: /etc/systemd/system/own.service
    other.service: /etc/systemd/system/other.service
  Services: {Enable: [other], Disable: [own]}
""",
        own_service=UNIT,
        other_service="[Unit]\nWants=own.service\n" + UNIT,
    )
    assert outcome.errors == ""
    assert "warning: own.service is disabled, but other.service can still start it" in outcome.said


def test_one_that_goes_off_with_another_is_an_error(customise: Customise) -> None:
    """systemd-networkd.service has Also=systemd-networkd.socket: disabling it takes the socket along."""
    outcome = customise("SystemConfig: {Services: {Enable: [systemd-networkd.socket], Disable: [systemd-networkd]}}")
    assert "systemd-networkd.socket is not enabled in the end: systemctl is-enabled says disabled" in outcome.errors
