"""Packages in a machine that rpm looks after: asked of a real rpm, about packages that are built here."""

from __future__ import annotations

from pathlib import Path

import pytest

from mic.programs import run
from tests.verify.local_machine import LocalMachine
from verify.checks.catalogue import in_machine
from verify.expectations.expectation import Subject
from verify.expectations.packages import PackageAbsent, PackageInstalled, PackageRequest, PackagesWhole
from verify.verdict import ProductFailure

SPEC = """\
Name: {name}
Version: 1.2
Release: 3
Summary: A package without files
License: none
BuildArch: noarch
{tags}
%description
None.
%files
"""
# Leaf needs twig, which needs branch.
PACKAGES = {
    "branch": "",
    "twig": "Requires: branch >= 1\nProvides: stick\n",
    "leaf": "Requires: twig\n",
    "moss": "",
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> LocalMachine:
    """All packages but moss are installed."""
    directory = tmp_path_factory.mktemp("rpm")
    for name, tags in PACKAGES.items():
        spec = directory / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, tags=tags))
        run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {directory}/top", spec)
    machine = LocalMachine(directory / "machine")
    machine.write("/etc/rpm/macros", "%_dbpath /var/lib/rpm\n")
    database = directory / "database"
    database.mkdir()
    built = [directory / f"top/RPMS/noarch/{name}-1.2-3.noarch.rpm" for name in PACKAGES if name != "moss"]
    run("rpm", "--install", "--justdb", "--nosignature", "--dbpath", database, *built)
    machine.write("/var/lib/empty", "")
    database.rename(machine.over["/var/lib"] / "rpm")
    return machine


def installed(text: str) -> PackageInstalled:
    return PackageInstalled(PackageRequest.parse(text))


def absent(text: str, *later: str) -> PackageAbsent:
    return PackageAbsent(PackageRequest.parse(text), later)


@pytest.mark.parametrize(
    ("subject", "seen"),
    [
        (installed("twig"), "twig-1.2-3.noarch is installed"),
        (installed("twig-1.2-3"), "twig-1.2-3.noarch is installed"),
        (installed("twig-1.2"), "twig-1.2-3.noarch is installed"),
        (installed("twig.noarch"), "twig-1.2-3.noarch is installed"),
        (installed("twig=1.2-3"), "twig-1.2-3.noarch is installed"),
        (installed("stick"), "stick is provided by twig-1.2-3.noarch"),
        (absent("moss"), "moss is not installed"),
        (absent("twig", "leaf"), "installed again: leaf needs it"),
        (absent("branch", "leaf"), "installed again: leaf needs it"),
        (absent("branch", "moss", "leaf-1.2-3"), "installed again: leaf needs it"),
        (PackagesWhole(), "every package has what it needs"),
    ],
)
def test_rpm_shows_what_is_as_it_was_asked_for(machine: LocalMachine, subject: Subject, seen: str) -> None:
    assert seen in in_machine.make(subject, machine.guest)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (installed("moss"), "moss is not installed"),
        (installed("twig-1.3"), "twig-1.3 is not installed"),
        (installed("twig=1.2-4"), "not installed"),
        (absent("leaf"), "leaf-1.2-3.noarch is installed"),
        (absent("leaf", "twig"), "leaf-1.2-3.noarch is installed"),
        (absent("twig", "branch", "moss"), "twig-1.2-3.noarch is installed"),
    ],
)
def test_rpm_shows_what_is_not(machine: LocalMachine, subject: Subject, reason: str) -> None:
    with pytest.raises(ProductFailure) as caught:
        in_machine.make(subject, machine.guest)
    assert reason in str(caught.value)


def test_package_that_lacks_what_it_needs_is_named(machine: LocalMachine, tmp_path: Path) -> None:
    broken = LocalMachine(tmp_path, over=dict(machine.over))
    run("cp", "-r", machine.over["/var/lib"], tmp_path / "lib")
    broken.over["/var/lib"] = tmp_path / "lib"
    run("rpm", "--erase", "--justdb", "--nodeps", "--dbpath", tmp_path / "lib/rpm", "branch")
    with pytest.raises(ProductFailure, match=r"twig-1\.2-3"):
        in_machine.make(PackagesWhole(), broken.guest)
