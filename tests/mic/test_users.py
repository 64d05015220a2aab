"""Users of a real image, made and changed by its own programs, compared with every line of the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mic.customising import Isolated, Outcome, customised, write_config

pytestmark = pytest.mark.image

Customise = Callable[..., Outcome]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFzUD14XiBo927skgKW223wcdmfhhLjJDtevPguP6SaW keyed@example"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFzUD14XiBo927skgKW223wcdmfhhLjJDtevPguP6SaX other@example"


@pytest.fixture(params=["bookworm", "trixie"])
def customise(request: pytest.FixtureRequest, tmp_path: Path, isolated: Isolated[Outcome]) -> Customise:
    image: Path = request.getfixturevalue(request.param)

    def run(text: str, afterwards: str = "true", before: str = "true", **files: str) -> Outcome:
        config = write_config(tmp_path, text, {name.replace("_", "."): content for name, content in files.items()})
        return isolated(lambda workspace: customised(image, config, workspace, afterwards, before))

    return run


def test_new_users_are_what_they_are_asked_to_be(customise: Customise) -> None:
    outcome = customise(
        """
SystemConfig:
  Users:
  - {Name: alice, UID: 4321, Password: secret, PasswordExpiresDays: 30, PrimaryGroup: users,
     SecondaryGroups: [sudo, adm], StartupCommand: /usr/sbin/nologin}
  - {Name: locked}
  - {Name: endless, PasswordExpiresDays: -1}
  - {Name: audio}
""",
        """
id alice; getent passwd alice; getent shadow alice | cut -d: -f5; getent shadow locked | cut -d: -f2
getent shadow endless | cut -d: -f5; stat -c '%U %G' /home/alice; id -gn audio; getent shadow alice | cut -c1-9
""",
    )
    assert outcome.errors == ""
    assert outcome.printed.splitlines() == [
        "uid=4321(alice) gid=100(users) groups=100(users),4(adm),27(sudo)",
        "alice:x:4321:100::/home/alice:/usr/sbin/nologin",
        "30",
        "!",
        "",
        "alice users",
        "audio",
        "alice:$6$",
    ]


def test_existing_users_keep_what_is_not_asked_for(customise: Customise) -> None:
    outcome = customise(
        """
SystemConfig:
  Users:
  - {Name: kept, SecondaryGroups: [adm]}
  - {Name: locked, Password: secret, PasswordExpiresDays: -1, UID: 2001}
  - {Name: root, Password: secret, StartupCommand: /bin/sh}
""",
        """
getent shadow kept; id -Gn kept; getent shadow locked | cut -d: -f2 | cut -c1-3; getent shadow locked | cut -d: -f5
getent shadow root | cut -d: -f2 | cut -c1-3; getent passwd root; getent passwd kept | cut -d: -f7
""",
        before="""
useradd -u 2000 -G audio -s /bin/bash kept; echo 'kept:$6$salt$hash' | chpasswd -e; chage -d 19000 -M 90 kept
useradd -u 2001 locked; usermod -L locked; chage -M 90 locked; usermod -p '!' root
""",
    )
    assert outcome.errors == ""
    assert outcome.printed.splitlines() == [
        "kept:$6$salt$hash:19000:0:90:7:::",
        "kept adm audio",
        "$6$",
        "",
        "$6$",
        "root:x:0:0:root:/root:/bin/sh",
        "/bin/bash",
    ]


def test_keys_are_appended_in_the_home_of_passwd_with_owner_and_modes_that_sshd_accepts(customise: Customise) -> None:
    outcome = customise(
        f"""
SystemConfig:
  Users:
  - {{Name: elsewhere, SSHPubKeys: ["{KEY}", "{OTHER_KEY}"]}}
  - {{Name: homeless, SSHPubKeys: ["{KEY}"]}}
  - {{Name: new, SSHPubKeyPaths: [key.pub], SSHPubKeys: ["{OTHER_KEY}"]}}
  - {{Name: root, SSHPubKeys: ["{KEY}"]}}
""",
        """
for home in /srv/there /srv/nowhere /home/new /root; do
    stat -c '%U %a' $home/.ssh $home/.ssh/authorized_keys; grep -o '[^ ]*$' $home/.ssh/authorized_keys
done
stat -c '%U' /srv/nowhere
""",
        before=f"""
useradd -m -d /srv/there elsewhere; mkdir -m 777 /srv/there/.ssh; printf '{KEY}' > /srv/there/.ssh/authorized_keys
chmod 666 /srv/there/.ssh/authorized_keys; useradd -M -d /srv/nowhere homeless
""",
        key_pub=f"{KEY}\n",
    )
    assert outcome.errors == ""
    assert outcome.printed.split("\n") == [
        *("elsewhere 700", "elsewhere 600", "keyed@example", "other@example"),
        *("homeless 700", "homeless 600", "keyed@example"),
        *("new 700", "new 600", "keyed@example", "other@example"),
        *("root 700", "root 600", "keyed@example"),
        *("homeless", ""),
    ]


def test_what_the_image_lacks_is_told_before_anything_is_changed(customise: Customise, tmp_path: Path) -> None:
    outcome = customise(
        """
SystemConfig:
  Users:
  - {Name: first}
  - {Name: alice, PrimaryGroup: sudoo, SecondaryGroups: [adm, zebra], StartupCommand: /bin/zsh}
  - {Name: bob, UID: 0}
  - {Name: daemon, UID: 5}
  - {Name: carol, UID: 3000, StartupCommand: /bin/bash -l}
  - {Name: dave, UID: 3000}
""",
        "getent passwd first",
    )
    assert outcome.printed == ""
    path = f"{tmp_path}/config.yaml:"
    assert [line.removeprefix(path) for line in outcome.errors.splitlines()] == [
        "5:33: SystemConfig.Users[1].PrimaryGroup: the image has no group sudoo (did you mean sudo?)",
        "5:63: SystemConfig.Users[1].SecondaryGroups[1]: the image has no group zebra"
        " (create it in the image, or name another)",
        "5:87: SystemConfig.Users[1].StartupCommand: the image has no file /bin/zsh: alice could not log in",
        "8:46: SystemConfig.Users[4].StartupCommand: the image has no file /bin/bash -l: carol could not log in"
        " (a path only, without arguments)",
        "6:22: SystemConfig.Users[2].UID: the UID 0 belongs to root",
        "7:25: SystemConfig.Users[3].UID: daemon has the UID 1 in the image, not 5",
        "9:23: SystemConfig.Users[5].UID: the UID 3000 belongs to carol",
    ]


def test_groups_and_shells_may_come_from_files(customise: Customise) -> None:
    outcome = customise(
        """
SystemConfig:
  AdditionalFiles:
    own.shell: {Path: /usr/bin/own-shell, Permissions: "755"}
  Users: [{Name: alice, StartupCommand: /bin/own-shell}]
""",
        "getent passwd alice | cut -d: -f7",
        own_shell="#!/bin/sh\n",
    )
    assert (outcome.errors, outcome.printed) == ("", "/bin/own-shell\n")


def test_secrets_are_in_no_message(customise: Customise) -> None:
    outcome = customise(
        "SystemConfig: {Users: [{Name: alice, Password: topsecret}]}",
        before="printf '#!/bin/sh\\necho no; exit 1' > /usr/sbin/chpasswd",
    )
    assert "alice cannot be set up: no" in outcome.errors
    assert "topsecret" not in outcome.errors + outcome.said
    assert "$6$" not in outcome.errors + outcome.said
