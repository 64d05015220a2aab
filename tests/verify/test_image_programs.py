"""The commands of the checks, answered by the programs of a real image: its kmod, its systemctl, its dpkg."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mic.image.layout import open_image
from mic.rootfs.sandbox import Sandbox
from mic.rootfs.view import open_rootfs
from tests.verify.local_machine import LocalAnswer, LocalMachine
from verify.checks.catalogue import in_machine
from verify.checks.guest import CommandAnswer
from verify.checks.units_in_machine import enablement_of
from verify.expectations.expectation import Subject
from verify.expectations.kernel_modules import ModuleKeptOut, ModuleLoaded, ModulesToLoadExist
from verify.expectations.packages import PackageAbsent, PackageInstalled, PackageRequest, PackagesWhole
from verify.verdict import VerifyError

pytestmark = pytest.mark.image

UNIT = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
UNITS = {
    "cron-like.service": "enabled",
    "quiet.service": "disabled",
    "hidden.service": "masked",
    "systemd-journald.service": "static",
    "no-such.service": "not-found",
}


@dataclass
class ImageMachine(LocalMachine):
    """A shell of the image, in its own root; no kernel of its own runs there, and no service manager."""

    sandbox: Sandbox | None = None

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60) -> CommandAnswer:
        assert self.sandbox is not None
        done = self.sandbox.run("sh", "-c", command, stdin=stdin, check=False, timeout=timeout)
        return LocalAnswer(done.exit_code, done.stdout, done.stderr)


def answer(subject: Subject, machine: ImageMachine) -> str:
    try:
        return in_machine.make(subject, machine.guest)
    except VerifyError as error:
        return f"{type(error).__name__}: {error}"


@pytest.fixture
def answers(bookworm: Path, isolated: Callable[..., dict[str, str]], tmp_path: Path) -> dict[str, str]:
    """What the checks say of an image in which a few things were changed."""

    def work(workspace: Path) -> dict[str, str]:
        with open_image(bookworm, workspace) as image, open_rootfs(image, workspace) as rootfs:
            tree, sandbox = rootfs.tree, rootfs.sandbox
            machine = ImageMachine(tmp_path, sandbox=sandbox)
            for name in ("cron-like", "quiet", "hidden"):
                tree.write(f"/etc/systemd/system/{name}.service", UNIT.encode())
            tree.symlink("/etc/systemd/system/multi-user.target.wants/cron-like.service", "../cron-like.service")
            (tree.top / "etc/systemd/system/hidden.service").unlink()
            tree.symlink("/etc/systemd/system/hidden.service", "/dev/null")
            # The kernel that runs here is the host's: the image's modules are given its name.
            running = sandbox.run("uname", "-r").text.strip()
            own = next(iter(tree.list("/lib/modules")))
            shutil.copytree(tree.top / "lib/modules" / own, tree.top / "lib/modules" / running)
            tree.write("/etc/modprobe.d/mic.conf", b"blacklist nls-utf8\nblacklist overlay\nalias mine loop\n")
            tree.write("/etc/modules-load.d/mic.conf", b"nls-utf8\nmine\nlzo-rle\n")
            found = {
                "installed": PackageInstalled(PackageRequest.parse("bash:amd64")),
                "provided": PackageInstalled(PackageRequest.parse("awk")),
                "missing": PackageInstalled(PackageRequest.parse("nano")),
                "absent": PackageAbsent(PackageRequest.parse("nano"), ()),
                "back": PackageAbsent(PackageRequest.parse("libacl1"), ("coreutils",)),
                "present": PackageAbsent(PackageRequest.parse("kmod"), ("coreutils",)),
                "whole": PackagesWhole(),
                "built in": ModuleLoaded("lzo_rle"),
                "not loaded": ModuleLoaded("no_such"),
                "kept out": ModuleKeptOut("nls_utf8"),
                "not kept out": ModuleKeptOut("dummy"),
                "to load": ModulesToLoadExist(),
            }
            seen = {name: answer(subject, machine) for name, subject in found.items()}
            tree.write("/etc/modules-load.d/more.conf", b"no_such_module\n")
            seen["to load, missing"] = answer(ModulesToLoadExist(), machine)
            return seen | {unit: enablement_of(machine.guest, unit) for unit in UNITS}

    return isolated(work)


def test_programs_of_an_image_answer_as_the_checks_expect(answers: dict[str, str]) -> None:
    assert {unit: answers[unit] for unit in UNITS} == UNITS
    for name, seen in {
        "installed": "bash:amd64 5.2",
        "provided": "awk is provided by mawk",
        "missing": "ProductFailure: nano is not installed",
        "absent": "nano is not installed",
        "back": "was installed again: coreutils needs it",
        "present": "ProductFailure: kmod:amd64",
        "whole": "packages are installed and configured",
        "built in": "built in",
        "not loaded": "ProductFailure: no_such is not loaded",
        "kept out": "in the blacklist, not loaded",
        "not kept out": "ProductFailure: modprobe does not have dummy in its blacklist",
        "to load": "it has lzo_rle, mine, nls_utf8",
        "to load, missing": "ProductFailure: the kernel does not have no_such_module (/etc/modules-load.d/more.conf)",
    }.items():
        assert seen in answers[name], (name, answers[name])
