"""Packages: what dpkg's own records and rpm's words prove, and what they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verify.conftest import WriteConfig
from tests.verify.local_machine import LocalMachine
from tests.verify.medium_checks import MediumChecks, check_medium
from tests.verify.small_medium import SmallMedium
from verify.checks.catalogue import in_machine
from verify.checks.dpkg_database import judge_absent, judge_installed, judge_whole, parse_status
from verify.checks.guest import CommandAnswer
from verify.checks.packages import rpm_dependents
from verify.expectations.expectation import Subject
from verify.expectations.packages import PackageAbsent, PackageInstalled, PackageRequest, PackagesWhole
from verify.verdict import HarnessFault, ProductFailure

# Stanzas of Debian 12, shortened; the last is what `dpkg --remove` leaves of a package with configuration files.
STATUS = """\
Package: tree
Status: install ok installed
Architecture: amd64
Version: 2.1.0-1
Depends: libc6 (>= 2.34)
Description: displays an indented directory tree
 Status: purge ok not-installed

Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-9+deb12u10
Depends: libgcc-s1

Package: libgcc-s1
Status: hold ok installed
Architecture: amd64
Version: 12.2.0-14+deb12u1

Package: g++
Status: install ok installed
Architecture: amd64
Version: 4:12.2.0-3

Package: dma
Status: install ok installed
Architecture: amd64
Version: 0.13-1+b1
Provides: mail-transport-agent, smtp-server (= 1.0)
Depends: libc6 (>= 2.34), no-such | not-this

Package: mailer
Status: install ok installed
Architecture: all
Version: 1
Depends: default-mta | mail-transport-agent:any, tree (>= 2)
Recommends: g++

Package: less
Status: deinstall ok config-files
Architecture: amd64
Version: 590-2.1~deb12u2
"""
HALF = "\nPackage: {name}\nStatus: install {state}\nArchitecture: amd64\nVersion: 1\n"
MORE = {"ok triggers-pending": "Triggers-Pending: /usr/share/doc\n"}


def installed(text: str) -> PackageInstalled:
    return PackageInstalled(PackageRequest.parse(text))


def absent(text: str, *later: str) -> PackageAbsent:
    return PackageAbsent(PackageRequest.parse(text), later)


FOUND: list[tuple[Subject, str]] = [
    (installed("tree"), "tree:amd64 2.1.0-1 is installed"),
    (installed("tree=2.1.0-1"), "2.1.0-1"),
    (installed("tree:amd64"), "2.1.0-1"),
    (installed("tree:amd64=2.1.0-1"), "2.1.0-1"),
    (installed("tree/bookworm"), "2.1.0-1"),
    (installed("g++"), "4:12.2.0-3"),
    (installed("libgcc-s1"), "12.2.0"),
    (installed("mailer:amd64"), "mailer:all"),
    (installed("mail-transport-agent"), "provided by dma:amd64"),
    (absent("nano"), "nano is not installed"),
    (absent("less"), "configuration files are left"),
    (absent("tree", "mailer"), "installed again: mailer needs it"),
    (absent("libc6", "mailer", "other"), "installed again: mailer needs it"),
    (absent("dma", "mailer"), "installed again: mailer needs it"),
    (absent("g++", "mailer"), "installed again: mailer needs it"),
    (PackagesWhole(), "6 packages"),
]
MISSED: list[tuple[Subject, str]] = [
    (installed("nano"), "nano is not installed"),
    (installed("less"), "less is not installed; configuration files are left"),
    (installed("tree=2.1.0-2"), "2.1.0-1 is installed, not version 2.1.0-2"),
    (installed("tree:i386"), "tree:i386 is not installed"),
    (installed("mail-transport-agent=1"), "not installed"),
    (installed("tre"), "not installed"),
    (absent("tree"), "tree:amd64 2.1.0-1 is installed"),
    (absent("tree", "dma", "libc6", "tree"), "is installed"),
    # The clause would still be satisfied by nobody: it is no reason for dma to be there.
    (absent("mailer", "dma"), "is installed"),
]


@pytest.fixture
def machine(tmp_path: Path) -> LocalMachine:
    machine = LocalMachine(tmp_path)
    machine.write("/var/lib/dpkg/status", STATUS)
    return machine


@pytest.mark.parametrize(("subject", "seen"), FOUND)
def test_dpkg_query_shows_what_is_as_it_was_asked_for(machine: LocalMachine, subject: Subject, seen: str) -> None:
    assert seen in in_machine.make(subject, machine.guest)


@pytest.mark.parametrize(("subject", "reason"), MISSED)
def test_dpkg_query_shows_what_is_not(machine: LocalMachine, subject: Subject, reason: str) -> None:
    with pytest.raises(ProductFailure) as caught:
        in_machine.make(subject, machine.guest)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("subject", "seen"), FOUND)
def test_status_file_says_the_same(subject: Subject, seen: str) -> None:
    assert seen in judged(subject, STATUS)


@pytest.mark.parametrize(("subject", "reason"), MISSED)
def test_status_file_misses_the_same(subject: Subject, reason: str) -> None:
    with pytest.raises(ProductFailure) as caught:
        judged(subject, STATUS)
    assert reason in str(caught.value)


def judged(subject: Subject, status: str) -> str:
    packages = parse_status(status)
    if isinstance(subject, PackageInstalled):
        return judge_installed(subject, packages)
    return judge_absent(subject, packages) if isinstance(subject, PackageAbsent) else judge_whole(packages)


@pytest.mark.parametrize(
    "state", ["ok half-installed", "ok half-configured", "ok unpacked", "reinstreq installed", "ok triggers-pending"]
)
def test_package_that_is_half_done_is_neither_installed_nor_absent_nor_whole(machine: LocalMachine, state: str) -> None:
    machine.write("/var/lib/dpkg/status", STATUS + HALF.format(name="half", state=state) + MORE.get(state, ""))
    for subject in (installed("half"), absent("half"), PackagesWhole()):
        with pytest.raises(ProductFailure, match=r"half:amd64 1.*" + state.split()[1]):
            in_machine.make(subject, machine.guest)


def test_database_that_dpkg_cannot_read_is_the_mediums_fault(machine: LocalMachine) -> None:
    machine.write("/var/lib/dpkg/status", STATUS.rstrip())
    for subject in (installed("tree"), absent("gone"), PackagesWhole()):
        with pytest.raises(ProductFailure, match=r"cannot read its database: .*missing final newline"):
            in_machine.make(subject, machine.guest)


def test_dpkg_without_a_package_proves_nothing() -> None:
    with pytest.raises(ProductFailure, match="no installed package"):
        judge_whole(parse_status(""))


class WithoutPrograms(LocalMachine):
    """A machine that has a shell and nothing else."""

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60) -> CommandAnswer:
        return super().run(f"PATH=/nowhere; {command.replace('/usr/sbin:/sbin', '')}", stdin=stdin, timeout=timeout)


def test_machine_with_no_record_of_packages_is_no_pass(tmp_path: Path) -> None:
    machine = WithoutPrograms(tmp_path)
    for subject in (installed("tree"), absent("tree"), PackagesWhole()):
        with pytest.raises(HarnessFault, match="neither"):
            in_machine.make(subject, machine.guest)


def test_rpm_names_who_depends_on_a_package() -> None:
    said = (
        "error: Failed dependencies:\n"
        "\tlibtree.so.1()(64bit) is needed by (installed) leaf-tools-1.0-2.fc40.x86_64\n"
        "\ttree >= 2 is needed by (installed) garden-1:3-1.noarch\n"
    )
    assert rpm_dependents(said) == {"leaf-tools", "garden"}
    assert rpm_dependents("") == set()


CONFIG = """\
SystemConfig:
  PackagesRemove: [nano, less, tree]
  UpdateBaseImagePackages: true
  PackagesInstall: [tree=2.1.0-1, g++]
  PackagesUpdate: ['libc6:amd64']
"""
Checked = Callable[[SmallMedium], MediumChecks]


@pytest.fixture
def checked(tmp_path: Path, write_config: WriteConfig) -> Checked:
    return lambda medium: check_medium(medium, write_config(CONFIG), tmp_path)


def medium_with(status: str) -> SmallMedium:
    medium = SmallMedium()
    medium.rootfs["var/lib/dpkg/status"] = status
    return medium


def test_medium_shows_packages_without_being_booted(checked: Checked) -> None:
    checks = checked(medium_with(STATUS))
    assert not checks.failures
    assert {id: seen for id, seen in checks.seen.items() if id.startswith("package")} == {
        "package.nano.absent": "nano is not installed",
        "package.less.absent": "less is not installed; configuration files are left",
        "package.tree=2.1.0-1.installed": "tree:amd64 2.1.0-1 is installed",
        "package.g++.installed": "g++:amd64 4:12.2.0-3 is installed",
        "package.libc6:amd64.installed": "libc6:amd64 2.36-9+deb12u10 is installed",
        "package.none-half-done": "6 packages are installed and configured",
    }


def test_medium_shows_packages_that_are_missing_left_or_half_done(checked: Checked) -> None:
    status = STATUS.replace("Package: tree\n", "Package: nano\n") + HALF.format(name="half", state="ok unpacked")
    assert checked(medium_with(status)).failures == {
        "package.nano.absent": "nano:amd64 2.1.0-1 is installed",
        "package.tree=2.1.0-1.installed": "tree=2.1.0-1 is not installed",
        "package.none-half-done": "half done: half:amd64 1: unpacked",
    }


def test_medium_shows_that_dpkg_was_interrupted(checked: Checked) -> None:
    medium = medium_with(STATUS)
    medium.rootfs["var/lib/dpkg/updates/0001"] = HALF
    assert checked(medium).failures == {
        "package.none-half-done": "dpkg was interrupted: /var/lib/dpkg/updates holds 0001"
    }


def test_medium_of_rpm_is_judged_in_the_machine_alone(checked: Checked) -> None:
    medium = SmallMedium()
    medium.rootfs["var/lib/rpm/rpmdb.sqlite"] = "not read"
    checks = checked(medium)
    assert not [id for id in {**checks.seen, **checks.failures} if id.startswith("package")]
