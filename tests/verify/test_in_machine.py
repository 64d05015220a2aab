"""The commands that checks run in a machine, run for real: each finds what is there and misses what is not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from pydantic import SecretStr

from mic.kernel_arguments import KernelArguments
from tests.verify.local_machine import LocalMachine
from verify.checks.catalogue import in_machine
from verify.expectations.cloud_init import AddressRendered, DatasourceIsNoCloud, InstanceIdIs, UserDataIs
from verify.expectations.expectation import Subject
from verify.expectations.extras import CommandShows
from verify.expectations.files import FileDigest, FileInRootfs, FileOnMedium
from verify.expectations.host_name import HostNameIs, HostsLineNames
from verify.expectations.kernel_line import ArgumentsAtTheEnd, RootArgument
from verify.expectations.live import NoFstab, NoKernelComplaint, RootIsOverlay
from verify.expectations.users import (
    NoPasswordSet,
    PasswordExpires,
    ShadowFieldIs,
    UserExists,
    UserHasPrimaryGroup,
    UserHasShell,
    UserHasUid,
    UserIsMemberOf,
)
from verify.verdict import HarnessFault, HostFault, ProductFailure

HASH = "$6$saltsalt$" + "h" * 86
USER_DATA = "#cloud-config\nhostname: x\n"


def digest(text: str, mode: int) -> FileDigest:
    return FileDigest(hashlib.sha256(text.encode()).hexdigest(), len(text.encode()), mode)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> LocalMachine:
    machine = LocalMachine(tmp_path_factory.mktemp("machine"))
    machine.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\ntest:x:1000:27::/home/test:/bin/bash\n")
    machine.write("/etc/group", "root:x:0:\nadm:x:4:a,test\nsudo:x:27:\n")
    machine.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n")
    machine.write(
        "/etc/shadow",
        f"root:*:1:0:99999:7:::\ntest:{HASH}:1:0:30:7:::\nlocked:!{HASH}:1::::::\nopen::1::::::\n",
        0o600,
    )
    machine.write("/etc/hostname", "live\n")
    machine.write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 live\n")
    machine.write("/etc/odd 'name'", "content\n", 0o640)
    machine.write("/etc/netplan/50-cloud-init.yaml", "addresses: [192.0.2.10/24, '2001:db8::5/64']\nkey: no\n")
    machine.write("/home/root/.ssh/authorized_keys", "ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\n", 0o600)
    machine.write("/run/cloud-init/result.json", '{"v1": {"datasource": "DataSourceNoCloud", "errors": []}}')
    machine.write("/run/initramfs/live/data/file", "on the medium\n", 0o444)
    machine.write("/var/lib/cloud/data/instance-id", "iid-1\n")
    machine.write("/var/lib/cloud/instance/user-data.txt", USER_DATA, 0o600)
    return machine


def command_line() -> str:
    return Path("/proc/cmdline").read_text().removesuffix("\n")


def arguments(words: str) -> KernelArguments:
    return KernelArguments(tuple(words.split()))


@pytest.mark.parametrize(
    "subject",
    [
        UserExists("test"),
        UserHasUid("test", 1000),
        UserHasShell("test", "/bin/bash"),
        UserHasPrimaryGroup("test", "sudo"),
        UserIsMemberOf("test", "adm"),
        UserIsMemberOf("test", "sudo"),
        ShadowFieldIs("test", SecretStr(HASH)),
        NoPasswordSet("locked"),
        NoPasswordSet("root"),
        PasswordExpires("test", 30),
        PasswordExpires("locked", -1),
        NoFstab(),
        FileInRootfs(PurePosixPath("/etc/odd 'name'"), digest("content\n", 0o640)),
        FileOnMedium(PurePosixPath("/data/file"), digest("on the medium\n", 0o444)),
        HostsLineNames(("live",)),
        DatasourceIsNoCloud(),
        InstanceIdIs("iid-1"),
        UserDataIs(hashlib.sha256(USER_DATA.encode()).hexdigest()),
        AddressRendered("192.0.2.10"),
        AddressRendered("2001:DB8:0::5"),
        ArgumentsAtTheEnd(arguments(command_line().split()[-1])),
        NoKernelComplaint(),
        CommandShows("cat; echo a b", prints="a b"),
        CommandShows("exit 3", exit_code=3, as_root=True),
    ],
)
def test_what_is_there_is_found(machine: LocalMachine, subject: Subject) -> None:
    guest = machine.guest
    assert in_machine.make(subject, guest)
    assert guest.notebook.observations


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (UserExists("nobody"), "no user nobody"),
        (UserHasUid("test", 1001), "UID 1000"),
        (UserHasShell("test", "/bin/sh"), "/bin/bash"),
        (UserHasPrimaryGroup("test", "adm"), "primary GID 27"),
        (UserIsMemberOf("test", "root"), "no member"),
        (UserIsMemberOf("test", "wheel"), "no group wheel"),
        (ShadowFieldIs("test", SecretStr(HASH + "x")), "not the configuration's"),
        (ShadowFieldIs("nobody", SecretStr(HASH)), "no line in shadow"),
        (NoPasswordSet("open"), "without a password"),
        (PasswordExpires("test", 31), "maximum age is 30"),
        (FileInRootfs(PurePosixPath("/etc/none"), digest("", 0o644)), "does not exist"),
        (FileInRootfs(PurePosixPath("/etc/netplan"), digest("", 0o644)), "directory"),
        (FileInRootfs(PurePosixPath("/etc/odd 'name'"), digest("content\n", 0o644)), "mode 0640"),
        (FileInRootfs(PurePosixPath("/etc/odd 'name'"), digest("contents", 0o640)), "other content"),
        (FileOnMedium(PurePosixPath("/data/none"), digest("", 0o444)), "does not exist"),
        (HostNameIs(("no-such-name",)), "the kernel says"),
        (HostsLineNames(("other",)), "127.0.1.1 live"),
        (InstanceIdIs("iid-2"), "'iid-1'"),
        (UserDataIs("0" * 64), "not the configuration's"),
        (AddressRendered("192.0.2.1"), "192.0.2.1"),
        (AddressRendered("92.0.2.10"), "92.0.2.10"),
        (AddressRendered("2001:db8::"), "2001:db8::"),
        (ArgumentsAtTheEnd(arguments("no.such.argument")), "no.such.argument"),
        (RootArgument("NO-SUCH-LABEL", KernelArguments()), "NO-SUCH-LABEL"),
        (RootIsOverlay(), "squashfs|no overlay"),
        (CommandShows("false"), "exit code 1"),
    ],
)
def test_what_is_not_there_is_missed_for_its_own_reason(machine: LocalMachine, subject: Subject, reason: str) -> None:
    with pytest.raises(ProductFailure, match=reason):
        in_machine.make(subject, machine.guest)


def test_missing_cloud_init_is_missed(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path)
    for subject in (DatasourceIsNoCloud(), InstanceIdIs("x"), UserDataIs("x")):
        with pytest.raises(ProductFailure):
            in_machine.make(subject, machine.guest)


def test_fstab_is_found_even_as_a_dangling_link(machine: LocalMachine, tmp_path: Path) -> None:
    other = LocalMachine(tmp_path)
    other.write("/etc/hostname", "x\n")
    (other.over["/etc"] / "fstab").symlink_to("/nowhere")
    with pytest.raises(ProductFailure, match="/etc/fstab exists"):
        in_machine.make(NoFstab(), other.guest)


def test_host_name_of_file_and_kernel_must_both_be_right(tmp_path: Path) -> None:
    running = Path("/proc/sys/kernel/hostname").read_text().strip()
    machine = LocalMachine(tmp_path)
    machine.write("/etc/hostname", f"{running}\n")
    assert in_machine.make(HostNameIs((running,)), machine.guest)
    machine.write("/etc/hostname", "other\n")
    with pytest.raises(ProductFailure, match="/etc/hostname says 'other'"):
        in_machine.make(HostNameIs((running,)), machine.guest)


def test_only_the_harness_own_argument_is_taken_off_the_command_line(machine: LocalMachine) -> None:
    *_, before, last = command_line().split()
    own = replace(machine, added_arguments=last)
    assert in_machine.make(ArgumentsAtTheEnd(arguments(before)), own.guest)
    with pytest.raises(ProductFailure, match="missing, cut short"):
        in_machine.make(ArgumentsAtTheEnd(arguments(last)), own.guest)
    with pytest.raises(ProductFailure):
        in_machine.make(ArgumentsAtTheEnd(arguments(before)), machine.guest)


def test_argument_that_the_harness_could_not_add_leaves_the_command_line_as_it_is(machine: LocalMachine) -> None:
    own = replace(machine, added_arguments="systemd.debug_shell=ttyS1")
    assert in_machine.make(ArgumentsAtTheEnd(arguments(command_line().split()[-1])), own.guest)


def test_no_hash_and_no_password_is_in_what_is_noted(machine: LocalMachine) -> None:
    for subject in (ShadowFieldIs("test", SecretStr(HASH)), PasswordExpires("test", 30), UserExists("test")):
        guest = machine.guest
        in_machine.make(subject, guest)
        assert HASH not in repr(guest.notebook.observations)


def test_program_that_is_missing_is_no_product_failure(machine: LocalMachine) -> None:
    with pytest.raises(HarnessFault, match="exit code 127"):
        machine.guest.run("no-such-program-anywhere").expect(0, 1)


def test_oops_on_the_serial_line_is_a_product_failure(tmp_path: Path) -> None:
    machine = LocalMachine(tmp_path, serial="[    9.1] Oops: general protection fault\n")
    with pytest.raises(ProductFailure, match="Oops"):
        in_machine.make(NoKernelComplaint(), machine.guest)


def test_a_stall_that_the_host_excuses_is_told_and_fails_nothing(tmp_path: Path) -> None:
    serial = "[   73.5] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]\n"
    excused = LocalMachine(tmp_path, serial=serial, excused_stalls=1)
    assert "1 complaints of a stuck processor" in in_machine.make(NoKernelComplaint(), excused.guest)
    with pytest.raises(HostFault):
        in_machine.make(NoKernelComplaint(), LocalMachine(tmp_path, serial=serial).guest)
