"""What a package to install brings can be used by all that comes after it, and is missed at its turn if it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.deb_packages import DebPackage, build_deb
from mic.customize import PackageSources
from tests.mic.customising import Isolated, Outcome, customised, write_config

pytestmark = pytest.mark.image

Customise = Callable[[str, str], Outcome]

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
BRINGER = DebPackage(
    "bringer",
    "1",
    files={
        "/usr/lib/systemd/system/brought.service": UNIT,
        "/usr/bin/brought-shell": "#!/bin/sh\n",
        "/usr/bin/brought-interpreter": '#!/bin/sh\nexec /bin/sh "$@"\n',
        "/etc/modprobe.d/brought.conf": "options loop max_loop=3\n",
    },
    scripts={"postinst": "#!/bin/sh\ngroupadd brought\nuseradd -r -u 333 brought-user\n"},
)


@pytest.fixture
def customise(bookworm: Path, tmp_path: Path, isolated: Isolated[Outcome]) -> Callable[[str, str], Outcome]:
    build_deb(BRINGER, tmp_path / "debs")
    sources = PackageSources(deb=(tmp_path / "debs",), base_image_repositories=False)

    def run(text: str, afterwards: str) -> Outcome:
        config = write_config(tmp_path, text, {"run.sh": "#!/usr/bin/brought-interpreter\necho ran > /srv/ran\n"})
        return isolated(lambda workspace: customised(bookworm, config, workspace, afterwards, sources=sources))

    return run


def test_groups_shells_units_and_interpreters_may_come_with_packages(customise: Customise) -> None:
    outcome = customise(
        """
SystemConfig:
  PackagesInstall: [bringer]
  Users:
  - {Name: alice, PrimaryGroup: brought, StartupCommand: /usr/bin/brought-shell}
  - {Name: brought-user, SecondaryGroups: [adm]}
  Services: {Enable: [brought]}
  PostInstallScripts: [{Path: run.sh}]
""",
        "id -gn alice; getent passwd alice | cut -d: -f7; id -Gn brought-user; systemctl is-enabled brought\n"
        "cat /srv/ran",
    )
    assert outcome.errors == ""
    assert outcome.printed.split("\n")[:5] == [
        *("brought", "/usr/bin/brought-shell", "brought-user adm", "enabled", "ran"),
    ]


@pytest.mark.parametrize(
    ("asked_for", "message"),
    [
        ("Users: [{Name: a, PrimaryGroup: never}]", "Users[0].PrimaryGroup: the image has no group never"),
        ("Users: [{Name: brought-user, UID: 444}]", "Users[0].UID: brought-user has the UID 333 in the image, not 444"),
        ("Services: {Enable: [never]}", "Services.Enable[0]: the image has no unit never.service"),
        ("Modules: {Load: [never_there]}", "Modules.Load[0]: the kernel"),
    ],
)
def test_what_packages_did_not_bring_is_told_at_its_turn(customise: Customise, asked_for: str, message: str) -> None:
    outcome = customise(f"SystemConfig: {{PackagesInstall: [bringer], {asked_for}}}", "getent group brought")
    assert f"SystemConfig.{message}" in outcome.errors
    assert outcome.printed.startswith("brought:"), "the packages are there by then"
