"""Every judgement passes what was asked for, and fails each wrong observation for its own reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from pydantic import SecretStr

from mic.kernel_arguments import KernelArguments
from verify.checks import accounts, content
from verify.checks.cloud_init_in_machine import judge_rendered, judge_result, judge_user_data
from verify.checks.extras_in_machine import judge_answer
from verify.checks.guest import Answer
from verify.checks.live_in_machine import (
    Mount,
    failed_units,
    judge_kernel,
    judge_medium,
    judge_root,
    judge_writes,
    mounts,
)
from verify.checks.users_in_machine import judge_right_password, judge_wrong_password
from verify.console.login import LoginResult
from verify.expectations.extras import CommandShows
from verify.expectations.files import FileDigest
from verify.expectations.users import PasswordLogsIn, WrongPasswordRefused
from verify.machine.disk_counts import DiskWrites
from verify.verdict import HarnessFault, HostFault, ProductFailure

Judgement = Callable[[], str]
USER = accounts.PasswdLine("test", 1000, 27, "/home/test", "/bin/bash")
ARGUMENTS = KernelArguments(("ds=nocloud;s=file://x", "quiet"))
FILE = PurePosixPath("/etc/motd")
DIGEST = FileDigest("a" * 64, 5, 0o644)
LOGIN = PasswordLogsIn("test", SecretStr("secret"), may_be_expired=False, has_login_shell=True)
MAY_EXPIRE = PasswordLogsIn("test", SecretStr("secret"), may_be_expired=True, has_login_shell=True)
NO_SHELL = PasswordLogsIn("test", SecretStr("secret"), may_be_expired=False, has_login_shell=False)
REFUSED = WrongPasswordRefused("test", "wrong")
SQUASHFS = Mount("/run/rootfsbase", "squashfs", "/dev/loop0", ("ro",))
OVERLAY = Mount("/", "overlay", "LiveOS_rootfs", ("rw", "lowerdir=/run/rootfsbase", "upperdir=/run/o"))
MEDIUM = Mount("/run/initramfs/live", "iso9660", "/dev/sr0", ("ro",))
ROOT = ("a", "root=live:LABEL=L", "b")


@pytest.mark.parametrize(
    "judgement",
    [
        lambda: accounts.judge_uid(USER, 1000),
        lambda: accounts.judge_shell(USER, "/bin/bash"),
        lambda: accounts.judge_primary_group(USER, accounts.GroupLine("sudo", 27, ())),
        lambda: accounts.judge_membership(USER, accounts.GroupLine("sudo", 27, ())),
        lambda: accounts.judge_membership(USER, accounts.GroupLine("adm", 4, ("x", "test"))),
        lambda: accounts.judge_maximum_age("90", 90),
        lambda: accounts.judge_maximum_age("", -1),
        lambda: accounts.judge_maximum_age("99999", -1),
        lambda: accounts.judge_no_password("locked"),
        lambda: accounts.judge_no_password("set"),
        lambda: content.judge_file(FILE, DIGEST, (0, 0), DIGEST),
        lambda: content.judge_words_at_the_end(("x", *ARGUMENTS.words), ARGUMENTS),
        lambda: content.judge_text_at_the_end(f"BOOT_IMAGE=/x {ARGUMENTS.shown}", ARGUMENTS),
        lambda: content.judge_text_at_the_end('x "a b"', KernelArguments(("a b",))),
        lambda: content.judge_root_argument(ROOT, "L", KernelArguments(("b",))),
        lambda: content.judge_root_argument((*ROOT, "root=x"), "L", KernelArguments(("root=x",))),
        lambda: content.judge_hostname_file("# one\n\nlive\n", ("live",)),
        lambda: content.judge_hosts("127.0.0.1 localhost\n127.0.1.1 live.example live # x\n", ("live",)),
        lambda: content.judge_hosts("127.0.1.1 live.example\n", ("live",)),
        lambda: content.judge_hosts("127.0.0.1 localhost\n# 127.0.1.1 debian\n", ("live",)),
        lambda: judge_result('{"v1": {"datasource": "DataSourceNoCloud [seed=x]", "errors": []}}'),
        lambda: judge_result('{"v1": {"datasource": "DataSourceNoCloudNet", "errors": ["x"]}}'),
        lambda: judge_user_data(0, f"{'a' * 64}  -", "a" * 64),
        lambda: judge_rendered("/etc/netplan/50.yaml:4:192.0.2.1", "192.0.2.1"),
        lambda: judge_root([Mount("/", "rootfs", "x", ()), SQUASHFS, OVERLAY]),
        lambda: judge_medium(MEDIUM, "L", "L"),
        lambda: judge_kernel("all is well\nBUGS: none\n", 4096, emulated=True),
        lambda: judge_right_password(LOGIN, LoginResult.ACCEPTED),
        lambda: judge_right_password(MAY_EXPIRE, LoginResult.EXPIRED),
        lambda: judge_right_password(NO_SHELL, LoginResult.NO_SHELL),
        lambda: judge_wrong_password(REFUSED, LoginResult.REFUSED),
        lambda: judge_wrong_password(REFUSED, LoginResult.LOCKED_OUT),
        lambda: judge_writes(()),
        lambda: judge_writes((DiskWrites(Path("/d"), 0, 0),)),
        lambda: judge_answer(CommandShows("x", prints="a\n"), Answer("x", 0, "a", "")),
        lambda: judge_answer(CommandShows("x", exit_code=3, contains="a"), Answer("x", 3, "cab", "")),
    ],
)
def test_what_was_asked_for_passes(judgement: Judgement) -> None:
    assert judgement()


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        (lambda: accounts.passwd_line("tester:x:1:1::/:/bin/sh\n", "test"), "no user test"),
        (lambda: accounts.group_line("sudo:x:27:\n", "adm"), "no group adm"),
        (lambda: accounts.shadow_field("root:*:1::::::\n", "test"), "no line in shadow"),
        (lambda: accounts.judge_uid(USER, 1001), "UID 1000, not 1001"),
        (lambda: accounts.judge_shell(USER, "/bin/sh"), "/bin/bash"),
        (lambda: accounts.judge_primary_group(USER, accounts.GroupLine("adm", 4, ("test",))), "GID 27"),
        (lambda: accounts.judge_membership(USER, accounts.GroupLine("adm", 4, ("tes",))), "no member of adm"),
        (lambda: accounts.judge_maximum_age("90", 91), "age is 90"),
        (lambda: accounts.judge_maximum_age("", 90), "age is never"),
        (lambda: accounts.judge_maximum_age("90", -1), "age is 90"),
        (lambda: accounts.judge_no_password("empty"), "without a password"),
        (lambda: content.judge_file(FILE, FileDigest("b" * 64, 5, 0o644), None, DIGEST), "other content"),
        (lambda: content.judge_file(FILE, FileDigest("a" * 64, 5, 0o600), None, DIGEST), "mode 0600"),
        (lambda: content.judge_file(FILE, DIGEST, (0, 1000), DIGEST), "owner"),
        (lambda: content.judge_words_at_the_end(("ds=nocloud",), ARGUMENTS), "does not end in"),
        (lambda: content.judge_words_at_the_end((*ARGUMENTS.words, "x"), ARGUMENTS), "does not end in"),
        (
            lambda: content.judge_text_at_the_end("x ds=nocloud", ARGUMENTS),
            "missing, cut short or changed: ds=nocloud;s=file://x",
        ),
        (
            lambda: content.judge_text_at_the_end('x a "b c" it\'s', KernelArguments(("a", "b c", "it's"))),
            r"changed: it\\'s; ",
        ),
        (lambda: content.judge_text_at_the_end("quiet ds=nocloud;s=file://x", ARGUMENTS), "in order"),
        (
            lambda: content.judge_text_at_the_end(f"x{ARGUMENTS.shown}", ARGUMENTS),
            "missing, cut short or changed: ds=nocloud",
        ),
        (lambda: content.judge_root_argument(ROOT, "M", KernelArguments()), "found root=live:LABEL=L"),
        (lambda: content.judge_root_argument(("a",), "L", KernelArguments()), "no root="),
        (
            lambda: content.judge_root_argument(("root=live:LABEL=L",), "L", KernelArguments(("root=live:LABEL=L",))),
            "no root=",
        ),
        (lambda: content.judge_hostname_file("debian\n", ("live",)), "'debian'"),
        (lambda: content.judge_hostname_file("", ("live",)), "''"),
        (lambda: content.judge_hosts("127.0.1.1 debian\n", ("live",)), "127.0.1.1 debian"),
        (lambda: judge_result('{"v1": {"datasource": "DataSourceNone"}}'), "DataSourceNone"),
        (lambda: judge_result('{"v1": {"datasource": "DataSourceNoCloudy"}}'), "NoCloudy"),
        (lambda: judge_result('{"v1": {"datasource": null}}'), "None"),
        (lambda: judge_user_data(1, "", "a"), "no user-data"),
        (lambda: judge_user_data(0, "b  -", "a"), "not the configuration's"),
        (lambda: judge_rendered("", "192.0.2.1"), "192.0.2.1"),
        (lambda: judge_root([Mount("/", "ext4", "/dev/vda2", ())]), "the root is ext4"),
        (
            lambda: judge_root([Mount("/run/rootfsbase", "ext4", "/dev/vda2", ()), OVERLAY]),
            "lower layer is no squashfs: /run/rootfsbase .ext4.",
        ),
        (lambda: judge_medium(MEDIUM, "OTHER", "L"), "'OTHER'"),
        (lambda: judge_medium(Mount("/x", "ext4", "/dev/vda2", ()), "L", "L"), "ext4"),
        (lambda: judge_kernel("[ 1.0] Kernel panic - not syncing\n", 0, emulated=True), "Kernel panic"),
        (lambda: judge_kernel("BUG: unable to handle page fault\n", 0, emulated=True), "unable to handle"),
        (lambda: judge_kernel("Oops: 0002 [#1]\n", 0, emulated=False), "Oops"),
        (lambda: judge_kernel("quiet\n", 1 << 7, emulated=False), "tainted by an oops"),
        (lambda: judge_kernel("watchdog: BUG: soft lockup - CPU#0\n", 0, emulated=False), "soft lockup"),
        (lambda: judge_right_password(LOGIN, LoginResult.REFUSED), "does not log in"),
        (lambda: judge_right_password(LOGIN, LoginResult.EXPIRED), "does not log in"),
        (lambda: judge_right_password(LOGIN, LoginResult.NO_SHELL), "does not log in"),
        (lambda: judge_right_password(NO_SHELL, LoginResult.REFUSED), "does not log in"),
        (lambda: judge_wrong_password(REFUSED, LoginResult.ACCEPTED), "not refused"),
        (lambda: judge_wrong_password(REFUSED, LoginResult.EXPIRED), "not refused"),
        (lambda: judge_writes((DiskWrites(Path("/d"), 1, 512),)), "512 bytes to /d"),
        (lambda: judge_answer(CommandShows("x"), Answer("x", 1, "", "why")), "exit code 1, expected 0: why"),
        (lambda: judge_answer(CommandShows("x", prints="a"), Answer("x", 0, "ab", "")), "printed 'ab'"),
        (lambda: judge_answer(CommandShows("x", contains="a"), Answer("x", 0, "b", "")), "lacks 'a'"),
    ],
)
def test_what_is_wrong_fails_for_its_own_reason(judgement: Judgement, reason: str) -> None:
    with pytest.raises(ProductFailure, match=reason):
        judgement()


@pytest.mark.parametrize(
    "judgement",
    [
        lambda: judge_result("no json"),
        lambda: judge_result('{"v2": {}}'),
        lambda: judge_root([]),
        lambda: judge_root([Mount("/", "overlay", "x", ("rw",))]),
        lambda: accounts.passwd_line("test:x:a:1::/:/bin/sh\n", "test"),
        lambda: Answer("x", 127, "", "not found").expect(0, 1),
    ],
)
def test_what_tells_nothing_is_a_harness_fault(judgement: Judgement) -> None:
    with pytest.raises(HarnessFault):
        judgement()


def test_soft_lockup_of_an_emulated_processor_is_the_hosts() -> None:
    with pytest.raises(HostFault):
        judge_kernel("watchdog: BUG: soft lockup - CPU#0 stuck for 22s\n", 1 << 14, emulated=True)


def test_mountinfo_is_read_with_its_escapes_and_optional_fields() -> None:
    found = mounts(
        "22 1 0:21 / / rw,relatime shared:1 master:2 - overlay LiveOS\\040root rw,lowerdir=/a:/b,x=1\n"
        "23 22 7:0 / /with\\040blank ro - squashfs /dev/loop0 ro\nnot a line\n"
    )
    assert [m.mount_point for m in found] == ["/", "/with blank"]
    assert found[0].source == "LiveOS root"
    assert found[0].option("lowerdir") == "/a:/b"
    assert found[0].option("nothing") is None


def test_failed_units_are_named() -> None:
    listing = "a.service loaded failed failed What it is\n  b.timer not-found failed failed x\n\n"
    assert failed_units(listing) == ["a.service", "b.timer"]
    assert failed_units("") == []


@pytest.mark.parametrize(("field", "state"), [("", "empty"), ("!", "locked"), ("*", "locked"), ("$6$a$b", "set")])
def test_shadow_states(field: str, state: str) -> None:
    assert accounts.state_of(field) == state
