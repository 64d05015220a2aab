"""What sshd says of a user is judged by its own words, from Debian's sshd, which runs here."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.cache import cache_directory, cached_file
from mic.programs import run
from tests.verify.local_machine import LocalMachine
from verify.checks.accounts import PasswdLine
from verify.checks.guest import in_machine
from verify.checks.sshd import SshAccount, SshdSettings, judge_settings, key_files
from verify.expectations.users import SshLetsIn
from verify.verdict import ProductFailure

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFzUD14XiBo927skgKW223wcdmfhhLjJDtevPguP6SaW keyed@example"
PASSWD = PasswdLine("keyed", 1000, 1000, "/home/keyed", "/bin/sh")
ACCOUNT = SshAccount(PASSWD, ("keyed", "users"), locked=True)
SETTINGS = """\
pubkeyauthentication yes
authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2
authenticationmethods any
usepam yes
permitrootlogin without-password
pubkeyacceptedalgorithms ssh-ed25519,rsa-sha2-512
"""
SUBJECT = SshLetsIn("keyed", (KEY,))


def settings(more: str = "", **changed: str) -> SshdSettings:
    lines = dict(line.split(" ", 1) for line in SETTINGS.splitlines()) | changed
    return SshdSettings.parse("\n".join(f"{key} {value}" for key, value in lines.items()) + f"\n{more}")


def test_user_is_let_in_by_ordinary_settings() -> None:
    judge_settings(settings(), ACCOUNT, (KEY,))
    judge_settings(settings("allowusers other\nallowusers key*"), ACCOUNT, (KEY,))
    judge_settings(settings("allowgroups users\ndenyusers keyed@10.0.0.1"), ACCOUNT, (KEY,))
    judge_settings(settings(authenticationmethods="publickey,password publickey"), ACCOUNT, (KEY,))
    judge_settings(settings(), ACCOUNT, (KEY.replace("ssh-ed25519", "ssh-rsa"), f'from="10.*" {KEY}'))


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (settings(pubkeyauthentication="no"), "PubkeyAuthentication"),
        (settings(authenticationmethods="publickey,password"), "more than a key"),
        (settings("denyusers k?yed"), "DenyUsers"),
        (settings("allowusers root\nallowusers admin"), "AllowUsers"),
        (settings("denygroups users"), "DenyGroups"),
        (settings("allowgroups wheel"), "AllowGroups"),
        (settings(usepam="no"), "locked"),
        (settings(pubkeyacceptedalgorithms="rsa-sha2-512"), "no ssh-ed25519 keys"),
    ],
)
def test_setting_that_shuts_the_user_out_is_named(seen: SshdSettings, reason: str) -> None:
    with pytest.raises(ProductFailure, match=reason):
        judge_settings(seen, ACCOUNT, (KEY,))


def test_root_is_let_in_only_where_root_may_log_in() -> None:
    root = replace(ACCOUNT, passwd=replace(PASSWD, name="root", uid=0))
    judge_settings(settings(), root, (KEY,))
    with pytest.raises(ProductFailure, match="PermitRootLogin is no"):
        judge_settings(settings(permitrootlogin="no"), root, (KEY,))


def test_tokens_of_the_key_files_are_filled_in() -> None:
    files = key_files(settings(authorizedkeysfile="%h/a /etc/keys/%u-%U %%x"), PASSWD)
    assert [str(file) for file in files] == ["/home/keyed/a", "/etc/keys/keyed-1000", "/home/keyed/%x"]
    with pytest.raises(ProductFailure, match="in no file"):
        key_files(settings(authorizedkeysfile="none"), PASSWD)


@pytest.fixture(scope="session")
def sshd() -> Path:
    """Debian's sshd, unpacked without being installed: nobody's machine gets a listening service from a test."""

    packages = ("openssh-server", "libwrap0")

    def build(partial: Path) -> None:
        work = partial.with_suffix(".work")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            if run("apt-get", "download", *packages, cwd=work, check=False).exit_code != 0:
                run("apt-get", "update")  # its lists have been removed, as in many a container
                run("apt-get", "download", *packages, cwd=work)
            for package in work.glob("*.deb"):
                run("dpkg", "-x", package, work / "tree")
            run("tar", "-C", work / "tree", "-cf", partial, ".")
        finally:
            shutil.rmtree(work)

    return cached_file("sshd.tar", build, cache_directory())


@pytest.fixture
def machine(sshd: Path, tmp_path: Path) -> LocalMachine:
    """A machine with sshd, and with a user who has a key and no password."""
    machine = LocalMachine(tmp_path / "machine")
    local = tmp_path / "local"
    local.mkdir()
    run("tar", "-C", local, "-xf", sshd)
    wrapper = local / "sbin" / "sshd"
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(
        '#!/bin/sh\nLD_LIBRARY_PATH=$(echo /usr/local/usr/lib/*-linux-gnu) exec /usr/local/usr/sbin/sshd "$@"\n'
    )
    wrapper.chmod(0o755)
    machine.over["/usr/local"] = local
    machine.write(
        "/etc/passwd",
        "root:x:0:0::/root:/bin/sh\nkeyed:x:0:0::/home/keyed:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n",
    )
    machine.write("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
    machine.write("/etc/shadow", "root:*:1::::::\nkeyed:!:1::::::\n")
    machine.write("/etc/ssh/sshd_config", "UsePAM yes\n")
    for library in ("/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/alternatives"):
        if Path(library).is_file():
            shutil.copy(library, machine.over["/etc"])
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", machine.over["/etc"] / "ssh/ssh_host_ed25519_key")
    machine.write("/home/keyed/.ssh/authorized_keys", f"{KEY}\n", 0o600)
    for directory, mode in (("keyed", 0o755), ("keyed/.ssh", 0o700)):
        (machine.over["/home"] / directory).chmod(mode)
    return machine


def test_key_opens_the_real_sshd(machine: LocalMachine) -> None:
    assert "takes the keys from /home/keyed/.ssh/authorized_keys" in in_machine.make(SUBJECT, machine.guest)


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("/etc/ssh/sshd_config", "UsePAM yes\nNoSuchOption yes\n", "does not take its configuration.*NoSuchOption"),
        ("/etc/ssh/sshd_config", "UsePAM yes\nMatch User keyed\n  PubkeyAuthentication no\n", "PubkeyAuthentication"),
        ("/etc/ssh/sshd_config", "UsePAM yes\nAllowUsers root somebody\n", "AllowUsers"),
        ("/etc/ssh/sshd_config", "UsePAM yes\nAuthorizedKeysFile /etc/keys/%u\n", "not in /etc/keys/keyed"),
        ("/etc/ssh/sshd_config", "UsePAM no\n", "locked"),
        ("/home/keyed/.ssh/authorized_keys", "ssh-ed25519 AAAA other\n", "1 of 1 keys"),
        ("/etc/passwd", "keyed:x:0:0::/home/keyed:/bin/none\nsshd:x:100:65534::/:/bin/false\n", "shell cannot be run"),
        ("/etc/passwd", "keyed:x:0:0::/home/none:/bin/sh\nsshd:x:100:65534::/:/bin/false\n", "/home/none does not"),
    ],
)
def test_what_shuts_the_user_out_of_the_real_sshd_is_named(
    machine: LocalMachine, path: str, content: str, reason: str
) -> None:
    machine.write(path, content)
    with pytest.raises(ProductFailure, match=reason):
        in_machine.make(SUBJECT, machine.guest)


def test_home_that_others_may_write_is_named(machine: LocalMachine) -> None:
    (machine.over["/home"] / "keyed").chmod(0o777)
    with pytest.raises(ProductFailure, match="others may write"):
        in_machine.make(SUBJECT, machine.guest)


def test_missing_sshd_is_said_and_no_failure(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path)
    for place in ("/usr/local", "/usr/sbin"):
        machine.over[place] = tmp_path / "empty"
    (tmp_path / "empty").mkdir()
    assert "no sshd" in in_machine.make(SUBJECT, machine.guest)
