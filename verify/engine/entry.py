"""How the harness comes into a cell's machine: which way, as whom, with which shell, and how it becomes root."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from verify.access.choose import why_none
from verify.access.way import Means, WayIn
from verify.checks.guest import GuestShell, NoPrivilege, Privilege, RootShell, Sudo
from verify.console.login import LoginResult, log_in, log_out
from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.engine.cell_machine import CellMachine, first_line
from verify.engine.events import AccessFailed, ShellOpened, tell
from verify.engine.watched_shell import WatchedShell
from verify.expectations.credentials import Credential
from verify.machine.failure import CommandTimedOut
from verify.outcome import NotReached
from verify.plan import Plan
from verify.verdict import HarnessFault, ProductFailure, VerifyError

# Seconds on fast hardware; an emulated machine gets more (Accelerator.time_scale). Ceilings, not waits: the
# console gives up much earlier when nothing moves any more.
_LOGIN_CEILING_SECONDS = 60.0
_CLOUD_INIT_CEILING_SECONDS = 120.0
_LOST_SHELLS_AT_MOST = 2
# A password is not echoed: one that lost a byte on the line is refused although it is right.
_REFUSALS_OF_A_RIGHT_PASSWORD = 2

_CLOUD_INIT_FINISHED = re.compile(r"Cloud-init v\. \S+ finished")


class Entry:
    """The harness's own login and shell on `machine`, the one of the cell `cell_id` of `plan`.

    Where no way in has been found, none is looked for again.
    """

    def __init__(self, plan: Plan, cell_id: str, machine: CellMachine) -> None:
        self._plan = plan
        self._cell_id = cell_id
        self._machine = machine
        self._own_way: WayIn | None = None
        self._credential: Credential | None = None
        self._logged_in = False
        self._shell: Shell | None = None
        self._privilege: Privilege = NoPrivilege("nobody has logged in")
        self._no_way_in: str | None = None
        self._lost_shells = 0
        self._shell_failure: str | None = None

    @property
    def privilege(self) -> Privilege:
        """How a command in the shell becomes root's; `NoPrivilege` before there is one."""
        return self._privilege

    @property
    def why_no_shell(self) -> str | None:
        """Why nothing can be asked of the machine as it is now; None if it can."""
        if self._machine.lost is not None or self._no_way_in is not None:
            return self._machine.lost or self._no_way_in
        nobody = self._shell is None and self._credential is None and self._own_way is None
        return "nobody has logged in" if nobody else None

    # The shell, for those who have commands to run

    def shell(self) -> GuestShell:
        """The harness's own shell, opened again where a login check has closed it.

        Raises `NotReached` when there is no way in or the machine is lost, and as `open` does.
        """
        if self._no_way_in is not None:
            raise NotReached(self._no_way_in)
        self._machine.running()
        if self._credential is None and self._own_way is None:
            self.open()
        if self._shell is None:
            self._enter_again()
        assert self._shell is not None
        return WatchedShell(self._shell, self._shell_failed)

    def _enter_again(self) -> None:
        """After a login check, or after a command that was lost: that one's check has told why."""
        try:
            if self._own_way is not None:
                if (obstacle := self._open_own_shell(self._own_way)) is not None:
                    raise HarnessFault(obstacle)
                return
            assert self._credential is not None
            result = self._enter(self._credential)
        except VerifyError as error:
            if self._shell_failure is None:
                raise
            raise NotReached(self._shell_failure) from error
        if result is not LoginResult.ACCEPTED:
            raise HarnessFault(f"{self._credential.user}, who was logged in before, is now {result.value}")

    def _shell_failed(self, error: VerifyError) -> None:
        """A command could not be run. The next check tries a fresh login, which a dead machine refuses."""
        if isinstance(error, CommandTimedOut):
            return
        self._shell = None
        self._shell_failure = f"the shell was lost: {first_line(error)}"
        self._lost_shells += 1
        if self._lost_shells >= _LOST_SHELLS_AT_MOST:
            self._machine.lose(self._shell_failure)

    # The way in

    def open(self) -> str:
        """Tries the ways in until one gives root's rights; the last may do with less. Boots again in between.

        Returns, in words, whose shell it is, how it becomes root's, and what the way has changed. Raises
        `ProductFailure` or `HarnessFault` when nobody gets in, and as `CellMachine.boot` does.
        """
        with self._no_way_in_when_raising():
            ways = self._machine.ways_in
            if not ways:
                raise HarnessFault(why_none(self._plan.access))
            self._machine.running()
            failed: list[str] = []
            for way, following in zip(ways, (*ways[1:], None), strict=True):
                obstacle = self._try(way)
                if obstacle is None or (following is None and self._shell is not None):
                    break
                failed.append(f"{way.means}: {obstacle}")
                if following is not None:
                    tell(self._plan.events_file, AccessFailed(self._cell_id, failed[-1], str(following.means)))
            else:
                raise HarnessFault(f"no way into the machine; {'; '.join(failed)}")
        return self._tell_shell(way, failed)

    @contextmanager
    def _no_way_in_when_raising(self) -> Iterator[None]:
        try:
            yield
        except VerifyError as error:
            self._no_way_in = f"the harness has no shell: {first_line(error)}"
            raise

    def _tell_shell(self, way: WayIn, failed: list[str]) -> str:
        session = "root's own shell" if self._credential is None else f"logged in as {self._credential.user}"
        user = "root" if self._credential is None else self._credential.user
        access = "; ".join((str(way.means), *(f"before that, {attempt}" for attempt in failed)))
        booted_for = self._machine.booted_for
        changes = way.changes or (booted_for.changes if booted_for else "") or "nothing"
        tell(self._plan.events_file, ShellOpened(self._cell_id, user, self._privilege.means, access, changes))
        return f"{session}; root: {self._privilege.means}; by {access}; changed by that: {changes}"

    def _try(self, way: WayIn) -> str | None:
        """None when `way` has given a shell that can become root; else why not, perhaps with a lesser shell."""
        if not self._machine.serves(way):
            self._shell, self._credential, self._logged_in = None, None, False
            self._machine.boot_again(way)
        if (obstacle := self._machine.obstacle_to(way)) is not None:
            return obstacle
        if not way.accounts:
            return self._open_own_shell(way)
        refused = self._choose_credential(way.accounts)
        if refused is not None and way.means is Means.PASSWORD:
            raise ProductFailure(f"no user whose password is known can log in: {refused}")
        if refused is not None:
            return refused
        return self._privilege.reason if isinstance(self._privilege, NoPrivilege) else None

    def _open_own_shell(self, way: WayIn) -> str | None:
        shell = way.open_own_shell(self._machine.running(), self._login_deadline())
        if not isinstance(shell, Shell):
            return shell or f"{way.means} opens no shell"
        self._own_way, self._shell, self._privilege = way, shell, RootShell()
        return None

    # As whom

    def _choose_credential(self, credentials: tuple[Credential, ...]) -> str | None:
        """Logs in as the first who may become root, else as the first who is let in; why not, if nobody is."""
        refused: list[str] = []
        let_in: Credential | None = None
        for credential in credentials:
            result = self._enter(credential)
            if result is not LoginResult.ACCEPTED:
                refused.append(f"{credential.user}: {result.value}")
                continue
            self._privilege = self._find_privilege(credential)
            self._credential = credential
            if not isinstance(self._privilege, NoPrivilege):
                return None
            let_in = let_in or credential
        if let_in is None:
            return "; ".join(refused)
        if let_in is not self._credential or self._shell is None:
            self._credential = let_in
            self._enter(let_in)
        return None

    def _find_privilege(self, credential: Credential) -> Privilege:
        assert self._shell is not None
        if self._shell.run("id -u", timeout=_LOGIN_CEILING_SECONDS).stdout.strip() == b"0":
            return RootShell()
        sudo = Sudo(credential.password)
        if sudo.run(self._shell, "true", _LOGIN_CEILING_SECONDS).exit_code == 0:
            return sudo
        return NoPrivilege(f"{credential.user} may not sudo")

    def _enter(self, credential: Credential) -> LoginResult:
        """Logs in and opens a shell; one whom cloud-init makes is tried until cloud-init has finished."""
        ceiling = self._machine.deadline(_CLOUD_INIT_CEILING_SECONDS)
        while True:
            last_try = not credential.by_cloud_init or ceiling.expired or self._cloud_init_has_finished()
            result = self._log_in(credential.user, credential.password, _REFUSALS_OF_A_RIGHT_PASSWORD)
            if result is LoginResult.ACCEPTED:
                with self._machine.lost_when_raising("the console was lost"):
                    self._shell = Shell.open(self._machine.running().console, self._login_deadline())
            if last_try or result is not LoginResult.REFUSED:
                return result

    def _cloud_init_has_finished(self) -> bool:
        return _CLOUD_INIT_FINISHED.search(self._machine.serial_text()) is not None

    # The login prompt

    def try_login(self, user: str, password: SecretStr) -> LoginResult:
        """Leaves the harness's own login, tries once, and comes back to the login prompt.

        Raises what the console raises, and `NotReached` when the machine is lost.
        """
        result = self._log_in(user, password)
        self._leave()
        return result

    def _log_in(self, user: str, password: SecretStr, refusals: int = 1) -> LoginResult:
        self._leave()
        console = self._machine.running().console
        with self._machine.lost_when_raising("the console was lost"):
            secret = password.get_secret_value()
            result = log_in(console, user, secret, self._login_deadline(), refusals=refusals)
        self._logged_in = result is LoginResult.ACCEPTED
        return result

    def _leave(self) -> None:
        machine = self._machine.running()
        with self._machine.lost_when_raising("the console was lost"):
            if self._shell is not None and self._own_way is None:
                self._shell.close()
                self._shell = None
            if self._logged_in:
                log_out(machine.console, self._login_deadline())
                self._logged_in = False

    def hand_over(self) -> None:
        """Leaves a prompt of the guest's own to a person who takes over, as far as the machine still answers."""
        with contextlib.suppress(VerifyError, NotReached):
            if self._shell is not None and self._machine.lost is None:
                self._shell.close()

    def _login_deadline(self) -> Deadline:
        return self._machine.deadline(_LOGIN_CEILING_SECONDS)
