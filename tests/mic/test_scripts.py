"""The user's scripts in the root of real images."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mic.customising import Isolated, Outcome, customised, write_config

pytestmark = pytest.mark.image

Customise = Callable[..., Outcome]


@pytest.fixture
def customise(bookworm: Path, tmp_path: Path, isolated: Isolated[Outcome]) -> Customise:
    def run(text: str, scripts: dict[str, str], afterwards: str = "true", before: str = "true") -> Outcome:
        config = write_config(tmp_path, text, scripts)
        return isolated(lambda workspace: customised(bookworm, config, workspace, afterwards, before))

    return run


ONE = "SystemConfig: {PostInstallScripts: [{Path: run.sh}]}"


def test_scripts_see_what_was_customised_before_them_and_finalize_comes_last(customise: Customise) -> None:
    outcome = customise(
        """
SystemConfig:
  Hostname: scripted
  Users: [{Name: alice}]
  Services: {Enable: [debug-shell]}
  Modules: {Load: [dummy]}
  PostInstallScripts: [{Path: scripts/post.sh}, {Path: scripts/second.sh}]
  FinalizeImageScripts: [{Path: scripts/last.sh}]
""",
        {
            "scripts/post.sh": "#!/bin/sh -e\ncat /etc/hostname /etc/modules-load.d/mic.conf > /srv/seen\n"
            "id -un alice >> /srv/seen\nsystemctl is-enabled debug-shell >> /srv/seen\n"
            "cut -d= -f1 /etc/mariner-customizer-release >> /srv/seen\n",
            "scripts/second.sh": "#!/bin/sh\necho second >> /srv/seen\n",
            "scripts/last.sh": "#!/bin/sh\necho last >> /srv/seen\n",
        },
        "cat /srv/seen",
    )
    assert outcome.errors == ""
    assert outcome.printed.split() == [
        *("scripted", "dummy", "alice", "enabled", "TOOL_VERSION", "BUILD_DATE", "second", "last"),
    ]


def test_configuration_is_at_imageconfigs_read_only_and_gone_afterwards(customise: Customise, tmp_path: Path) -> None:
    script = (
        "#!/bin/sh\ncat /_imageconfigs/data/file > /srv/copied\necho $0 > /srv/name\npwd > /srv/directory\n"
        "touch /_imageconfigs/new /_imageconfigs/run.sh && echo written > /srv/written\n"
        "mount -o remount,rw /_imageconfigs && touch /_imageconfigs/new && echo written > /srv/written\ntrue\n"
    )
    outcome = customise(
        ONE,
        {"run.sh": script, "data/file": "from the configuration's directory\n"},
        "cat /srv/copied /srv/name /srv/directory; ls -d /_imageconfigs /srv/written 2>/dev/null",
    )
    assert outcome.errors == ""
    assert outcome.printed == "from the configuration's directory\n/_imageconfigs/run.sh\n/\n"
    assert not (tmp_path / "new").exists()


def test_arguments_are_read_by_a_shell_as_the_original_did(customise: Customise) -> None:
    args = r"""one 'two words' "three \"quoted\"" four\ five $((2 + 4))"""
    config = f"SystemConfig:\n  PostInstallScripts:\n  - Path: sub dir/run.sh\n    Args: >-\n      {args}\n"
    outcome = customise(config, {"sub dir/run.sh": '#!/bin/sh\nprintf "%s|" "$@" > /srv/args\n'}, "cat /srv/args")
    assert (outcome.errors, outcome.printed) == ("", 'one|two words|three "quoted"|four five|6|')


def test_environment_is_clean_and_there_is_no_network(customise: Customise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_SECRET", "42")
    outcome = customise(ONE, {"run.sh": "#!/bin/sh\n{ env; ls /sys/class/net; } > /srv/seen\n"}, "cat /srv/seen")
    names = {line.partition("=")[0] for line in outcome.printed.splitlines() if "=" in line}
    assert names <= {"PATH", "HOME", "LANG", "TERM", "DEBIAN_FRONTEND", "PWD", "SHLVL", "_", "OLDPWD"}
    assert "eth0" not in outcome.printed


def test_failing_script_is_named_with_its_exit_code_and_last_output(customise: Customise, tmp_path: Path) -> None:
    outcome = customise(ONE, {"run.sh": "#!/bin/sh\nseq 100\necho on stderr >&2\necho last\nexit 7\n"})
    first, *rest = outcome.errors.splitlines()
    where = f"{tmp_path}/config.yaml:1:37: SystemConfig.PostInstallScripts[0]"
    assert first == f"{where}: run.sh ended with exit code 7; its last output:"
    assert rest[-3:] == ["  | 100", "  | on stderr", "  | last"]
    assert len(rest) == 20


def test_nothing_of_a_script_keeps_running(customise: Customise) -> None:
    outcome = customise(ONE, {"run.sh": "#!/bin/sh\nsetsid sleep 31416 &\n"})
    assert outcome.errors == ""
    assert subprocess.run(["pgrep", "-f", "^sleep 31416$"], check=False).returncode == 1


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/usr/bin/zsh\n", "the image has no /usr/bin/zsh, which run.sh is to be run by"),
        ("#!/usr/bin/env -S zsh -e\n", "the image has no zsh, which run.sh is to be run by"),
        ("#!/bin/sh\r\ntrue\r\n", "run.sh has Windows line ends"),
    ],
)
def test_missing_interpreter_is_told_before_anything_is_changed(
    customise: Customise, script: str, message: str
) -> None:
    config = "SystemConfig: {Hostname: changed, PostInstallScripts: [{Path: run.sh}]}"
    outcome = customise(config, {"run.sh": script}, "cat /etc/hostname")
    assert message in outcome.errors
    assert "changed" not in outcome.printed


def test_interpreter_may_come_from_files_or_an_earlier_script_and_is_looked_for_at_its_turn(
    customise: Customise,
) -> None:
    outcome = customise(
        """
SystemConfig:
  AdditionalFiles: {interpreter: {Path: /opt/interpreter, Permissions: "755"}}
  PostInstallScripts: [{Path: run.sh}, {Path: second.sh}]
  FinalizeImageScripts: [{Path: third.sh}]
""",
        {
            "interpreter": '#!/bin/sh\nexec /bin/sh "$@"\n',
            "run.sh": "#!/opt/interpreter\ncp /bin/sh /opt/made\n",
            "second.sh": "#!/opt/made\necho second > /srv/second\n",
            "third.sh": "#!/opt/never\n",
        },
        "cat /srv/second",
    )
    assert outcome.errors.endswith(
        "FinalizeImageScripts[0]: the image has no /opt/never, which third.sh is to be run by"
    )
    assert outcome.printed == "second\n"


def test_arguments_that_no_shell_can_read_are_told_before_anything_is_changed(customise: Customise) -> None:
    config = """SystemConfig: {Hostname: changed, PostInstallScripts: [{Path: run.sh, Args: "it's"}]}"""
    outcome = customise(config, {"run.sh": "#!/bin/sh\n"}, "cat /etc/hostname")
    assert "PostInstallScripts[0]: Args cannot be split into words: no closing quotation" in outcome.errors
    assert "changed" not in outcome.printed


def test_mode_of_selinux_and_release_file(customise: Customise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    outcome = customise(
        "SystemConfig: {KernelCommandLine: {SELinux: disabled}}",
        {},
        "cat /etc/mariner-customizer-release; cat /etc/selinux/config",
        before="mkdir -p /etc/selinux; printf '# SELINUX=x\\nSELINUX=enforcing\\nSELINUXTYPE=targeted\\n'"
        " > /etc/selinux/config",
    )
    assert outcome.errors == ""
    release, date, *selinux = outcome.printed.splitlines()
    assert release.startswith('TOOL_VERSION="')
    assert date == 'BUILD_DATE="2023-11-14T22:13:20Z"'
    assert selinux == ["# SELINUX=x", "SELINUX=disabled", "SELINUXTYPE=targeted"]


@pytest.mark.parametrize("mode", ["permissive", "enforcing"])
def test_selinux_that_is_on_is_refused(customise: Customise, mode: str) -> None:
    outcome = customise(f"SystemConfig: {{KernelCommandLine: {{SELinux: {mode}}}}}", {})
    assert f"SystemConfig.KernelCommandLine.SELinux: {mode} cannot be had on a live medium" in outcome.errors


def test_source_date_epoch_that_is_no_time_is_told(customise: Customise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "SOURCE_DATE_EPOCH is not a number of seconds since 1970" in customise("{}", {}).errors
