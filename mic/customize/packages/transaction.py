"""Runs the commands of a package manager in the sandbox, with what it is lent, and says why one failed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mic.customize.packages.manager import PackageManager
from mic.customize.packages.plan import Step, problem_of
from mic.customize.packages.services import ENVIRONMENT, keep_quiet
from mic.customize.packages.sources import Loan, PackageSources, without_credentials
from mic.errors import UserError, UserErrors
from mic.programs import Completed, ProgramFailed, ProgramTimedOut
from mic.rootfs.view import Rootfs

_TIMEOUT_SECONDS = 2 * 3600.0
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_SETTINGS = {
    **ENVIRONMENT,
    "DEBIAN_PRIORITY": "critical",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "APT_LISTCHANGES_FRONTEND": "none",
    # Debian's hook of dracut: the medium gets an initrd of its own later, this disk is never booted.
    "INITRD": "No",
}
# What apt, curl (which dnf and tdnf use) and the C library say when a server is not reached.
_NETWORK_FAILURES = (
    "Could not resolve",
    "Temporary failure in name resolution",
    "Temporary failure resolving",
    "Could not connect",
    "Couldn't connect",
    "Unable to connect",
    "Failed to connect",
    "Connection refused",
    "Connection timed out",
    "Connection failed",
    "Network is unreachable",
    "No route to host",
    "Timeout was reached",
    "Curl error (7)",
)
_SHOWN_LINES = 8


@dataclass(frozen=True)
class Transactions:
    """The package manager of an image with all that it is lent."""

    manager: PackageManager
    rootfs: Rootfs
    loan: Loan

    def run(self, command: Sequence[str], *, offline: bool = False) -> Completed:
        """Runs one of the manager's commands to its end, whatever its exit code; raises `ProgramTimedOut`."""
        network = self.loan.network and not offline
        return self.rootfs.sandbox.run(
            *(self.manager.program, *self.manager.options, *self.loan.options, *command),
            binds=self.loan.writable,
            read_only_binds=self.loan.read_only,
            network=network,
            environment=_SETTINGS | (_proxies(os.environ) if network else {}),
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )

    def refresh(self, step: Step) -> None:
        """Brings the lists up to date, as `step` needs them; raises `UserError` at its key."""
        self._run_or_explain(step, self.manager.refresh())

    def refuse_unknown(self, steps: Iterable[Step]) -> None:
        """Raises `UserErrors` with every package of the steps that no repository has; changes nothing."""
        simulated = ((step, self.run(self.manager.simulate(step.names))) for step in steps)
        if errors := [error for step, done in simulated for error in self._unknown(step, done)]:
            raise UserErrors(errors)

    def carry_out(self, step: Step) -> None:
        """Runs the step's transaction; raises `UserError` at its key, or at those of unknown packages."""
        self._run_or_explain(step, self.manager.transaction(step), offline=not step.action.fetches)

    def _run_or_explain(self, step: Step, command: Sequence[str], *, offline: bool = False) -> None:
        try:
            done = self.run(command, offline=offline)
        except ProgramTimedOut as error:
            hours = f"{_TIMEOUT_SECONDS / 3600:.0f}"
            raise step.problem(f"{self.manager.program} was still running after {hours} hours") from error
        if done.exit_code != 0:
            # The cause, because it may tell of a full disk.
            raise UserErrors(self._why_failed(step, done)) from ProgramFailed(done)

    def _why_failed(self, step: Step, done: Completed) -> list[UserError]:
        if unknown := self._unknown(step, done):
            return unknown
        said = _said(done)
        if any(sign in said for sign in _NETWORK_FAILURES):
            hint = "does this host reach the servers of the image's repositories, by a proxy perhaps?"
            return [step.problem(f"{self.manager.program} reaches no server: {said}", hint)]
        return [step.problem(f"{self.manager.program} failed ({done.exit_code}): {said}")]

    def _unknown(self, step: Step, done: Completed) -> list[UserError]:
        said = (done.stdout + done.stderr).decode(errors="replace")
        unknown = self.manager.unknown(said, step.names)
        hint = "is the name right, and does one of the image's repositories or of those given have it?"
        return [
            problem_of(package, f"no repository has the package {package.name}", hint)
            for package in step.packages
            if package.name in unknown
        ]


def lend(manager: PackageManager, rootfs: Rootfs, sources: PackageSources, directory: Path) -> Loan:
    """All that the manager is lent; `directory` is new and outlives the transactions. Raises `UserError`."""
    own, quiet = directory / "sources", directory / "services"
    own.mkdir(parents=True)
    quiet.mkdir()
    directory.chmod(0o755)
    loan = manager.lend(rootfs, sources, own)
    shown = {**loan.read_only, **keep_quiet(quiet, has_init_scripts=manager.has_init_scripts)}
    return Loan(loan.network, loan.options, shown, loan.writable)


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's proxies, which programs look for in either case."""
    names = {name for lower in _PROXIES for name in (lower, lower.upper())}
    return {name: value for name, value in environment.items() if name in names}


def _said(done: Completed) -> str:
    """The last lines of what a package manager said, its complaints where it marked any."""
    lines = without_credentials((done.stdout + done.stderr).decode(errors="replace")).splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    marked = [line for line in lines if line.startswith(("E: ", "Error", "error", "dpkg: error"))]
    context = lines[-_SHOWN_LINES:]
    return "\n".join([*(line for line in marked[-_SHOWN_LINES:] if line not in context), *context])
