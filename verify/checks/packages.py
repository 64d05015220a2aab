"""Packages on the medium, where dpkg keeps a text of them, and in the machine, where dpkg-query or rpm tells."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from verify.audit.rootfs import DPKG_STATUS
from verify.checks.dpkg_database import (
    QUERY_FORMAT,
    DpkgPackage,
    judge_absent,
    judge_installed,
    judge_whole,
    parse_status,
)
from verify.checks.guest import Answer, Guest, in_machine
from verify.checks.on_medium import Reader, on_medium
from verify.expectations.packages import PackageAbsent, PackageInstalled, PackagesWhole
from verify.verdict import HarnessFault, ProductFailure

# What dpkg has done and not yet written into the status file; it is empty after every run that ended.
_DPKG_UPDATES = PurePosixPath("/var/lib/dpkg/updates")
_WHICH = f"PATH=$PATH:/usr/sbin:/sbin; if [ -s {DPKG_STATUS} ]; then echo dpkg; else command -v rpm; fi"
_NOT_INSTALLED = "is not installed"
_MOST_STEPS = 50
# parse_error_msg of dpkg's lib/dpkg/parsehelp.c.
_UNREADABLE = "error: parsing file"


@on_medium.of(PackageInstalled)
def installed_on_medium(subject: PackageInstalled, reader: Reader) -> str:
    return judge_installed(subject, _status_on_medium(reader))


@on_medium.of(PackageAbsent)
def absent_on_medium(subject: PackageAbsent, reader: Reader) -> str:
    return judge_absent(subject, _status_on_medium(reader))


@on_medium.of(PackagesWhole)
def whole_on_medium(subject: PackagesWhole, reader: Reader) -> str:
    packages = _status_on_medium(reader)
    left = sorted(path.name for path in reader.rootfs().entries if path.parent == _DPKG_UPDATES)
    if left:
        raise ProductFailure(f"dpkg was interrupted: {_DPKG_UPDATES} holds {', '.join(left)}")
    return judge_whole(packages)


def _status_on_medium(reader: Reader) -> tuple[DpkgPackage, ...]:
    return parse_status(reader.text(str(DPKG_STATUS)))


@in_machine.of(PackageInstalled)
def installed_in_machine(subject: PackageInstalled, guest: Guest) -> str:
    if _has_dpkg(guest):
        found = _named(guest, subject.package.name)
        # Only a package that is not there by its own name can be there by another's.
        return judge_installed(subject, found if any(p.is_installed for p in found) else _all(guest))
    package = subject.package
    # By its name, with or without a version and an architecture; then by what it provides, as dnf takes it.
    for spelt in dict.fromkeys((package.text, package.text.replace("=", "-"))):
        answer = guest.run(f"rpm -q {shlex.quote(spelt)}")
        if answer.exit_code == 0:
            return f"{_in_one_line(answer)} is installed"
        _expect_not_installed(answer)
    answer = guest.run(f"rpm -q --whatprovides {shlex.quote(package.text)}")
    if answer.exit_code == 0:
        return f"{package.text} is provided by {_in_one_line(answer)}"
    raise ProductFailure(f"{package.text} is not installed")


@in_machine.of(PackageAbsent)
def absent_in_machine(subject: PackageAbsent, guest: Guest) -> str:
    if _has_dpkg(guest):
        found = _named(guest, subject.package.name)
        return judge_absent(subject, _all(guest) if any(p.is_installed for p in found) else found)
    answer = guest.run(f"rpm -q {shlex.quote(subject.package.text)}")
    if answer.exit_code != 0:
        _expect_not_installed(answer)
        return f"{subject.package.text} is not installed"
    needs = _rpm_dependents(guest, subject.package.text) & _rpm_names(guest, subject.installed_later)
    if not needs:
        raise ProductFailure(f"{_in_one_line(answer)} is installed")
    return f"{_in_one_line(answer)} was installed again: {', '.join(sorted(needs))} needs it"


@in_machine.of(PackagesWhole)
def whole_in_machine(subject: PackagesWhole, guest: Guest) -> str:
    if _has_dpkg(guest):
        return judge_whole(_all(guest))
    # The digests of files are not asked for: a live system may change its files, but not what packages need.
    answer = guest.run_as_root("PATH=$PATH:/usr/sbin:/sbin rpm -Va --nofiles --nodigest --nosignature", timeout=600)
    unsatisfied = [line for line in answer.stdout.split("\n") if line.startswith("Unsatisfied dependencies")]
    if unsatisfied:
        raise ProductFailure(f"packages lack what they need: {'; '.join(unsatisfied)}")
    if answer.exit_code not in (0, 1) or (answer.exit_code == 1 and not answer.stdout):
        raise HarnessFault(f"rpm -Va: exit code {answer.exit_code}; {answer.stderr}")
    return "every package has what it needs"


def _has_dpkg(guest: Guest) -> bool:
    """Whether dpkg looks after the packages; raises `HarnessFault` when neither it nor rpm does."""
    found = guest.run(_WHICH).stdout.strip()
    if not found:
        raise HarnessFault("the machine has neither dpkg's database nor rpm: nothing tells of its packages")
    return found == "dpkg"


def _named(guest: Guest, name: str) -> tuple[DpkgPackage, ...]:
    # 1: nothing is known by that name (dpkg-query(1)). It takes shell patterns: quoted twice, none is left.
    pattern = "".join(f"\\{c}" if c in "*?[\\" else c for c in name)
    return parse_status(_queried(guest, shlex.quote(pattern)).expect(0, 1).stdout)


def _all(guest: Guest) -> tuple[DpkgPackage, ...]:
    return parse_status(_queried(guest).expect(0).stdout)


def _queried(guest: Guest, *patterns: str) -> Answer:
    """dpkg-query's answer; raises `ProductFailure` where it cannot read what the medium has of packages."""
    answer = guest.run(" ".join(("dpkg-query -W -f", shlex.quote(QUERY_FORMAT), *patterns)))
    if answer.exit_code == 2 and _UNREADABLE in answer.stderr:
        raise ProductFailure(f"dpkg cannot read its database: {' '.join(answer.stderr.split())}")
    return answer


def _expect_not_installed(answer: Answer) -> None:
    """rpm's exit code is the number of packages that were not found; another fault has other words."""
    if _NOT_INSTALLED not in answer.stdout + answer.stderr:
        raise HarnessFault(f"{answer.command}: exit code {answer.exit_code}; {answer.stderr or answer.stdout}")


def _in_one_line(answer: Answer) -> str:
    return ", ".join(answer.stdout.split())


def _rpm_names(guest: Guest, asked_for: tuple[str, ...]) -> set[str]:
    """The bare names of those that are installed, be they asked for with a version or not."""
    if not asked_for:
        return set()
    quoted = " ".join(map(shlex.quote, asked_for))
    lines = guest.run(f"rpm -q --queryformat '%{{NAME}}\\n' {quoted}").stdout.split("\n")
    return {line for line in lines if line and _NOT_INSTALLED not in line}


def _rpm_dependents(guest: Guest, name: str) -> set[str]:
    """The names of the packages that rpm would have to remove with `name`, theirs included."""
    found: set[str] = set()
    waiting = [name]
    for _ in range(_MOST_STEPS):
        if not waiting:
            break
        answer = guest.run_as_root(f"PATH=$PATH:/usr/sbin:/sbin rpm -e --test {shlex.quote(waiting.pop())}")
        dependents = rpm_dependents(answer.stdout + "\n" + answer.stderr)
        waiting += sorted(dependents - found)
        found |= dependents
    return found


def rpm_dependents(text: str) -> set[str]:
    """The package names in rpm's ``... is needed by (installed) bash-5.1.8-1.x86_64``."""
    needed_by = "is needed by (installed) "
    return {line.rpartition(needed_by)[2].strip().rsplit("-", 2)[0] for line in text.split("\n") if needed_by in line}
