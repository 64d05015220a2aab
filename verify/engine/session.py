"""One machine from its start to its end: booted once, logged in when first needed, left tidy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from pydantic import SecretStr

from verify.access.choose import look_into, ways_in, why_none
from verify.access.way import Means, WayIn
from verify.checks.guest import (
    GuestShell,
    NoPrivilege,
    Privilege,
    RootShell,
    Sudo,
)
from verify.console.login import LoginResult, log_in, log_out, wait_for_login_prompt
from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.engine.boot_source import bytes_to_load, judge_boot_source
from verify.engine.disk_watch import DiskContents
from verify.engine.events import AccessFailed, MachineEnded, ShellOpened, tell
from verify.engine.machine_ids import others_with
from verify.engine.recorder import Recorder
from verify.engine.watched_shell import WatchedShell
from verify.expectations.credentials import Credential
from verify.machine.accelerator import Accelerator, probe_accelerator
from verify.machine.disk_counts import DiskWrites
from verify.machine.failure import CommandTimedOut, GuestFailed
from verify.machine.machine import Machine
from verify.machine.patterns import pattern_named
from verify.machine.phase import Phase
from verify.machine.qmp import QmpError
from verify.outcome import NotReached
from verify.plan import MachineCell, Plan
from verify.verdict import HarnessFault, ProductFailure, VerifyError

# Seconds on fast hardware; an emulated machine gets more (Accelerator.time_scale). Ceilings, not waits: the
# console gives up much earlier when nothing moves any more.
_BOOT_CEILING_SECONDS = 300.0
_LOGIN_CEILING_SECONDS = 60.0
_CLOUD_INIT_CEILING_SECONDS = 120.0
_LOST_SHELLS_AT_MOST = 2
# A password is not echoed: one that lost a byte on the line is refused although it is right.
_REFUSALS_OF_A_RIGHT_PASSWORD = 2

_CLOUD_INIT_FINISHED = re.compile(r"Cloud-init v\. \S+ finished")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class MachineSession:
    """The machine of one cell; fulfils `verify.checks.guest.Session`. What is lost once stays lost."""

    def __init__(self, plan: Plan, cell: MachineCell, credentials: tuple[Credential, ...]) -> None:
        self._plan = plan
        self._cell = cell
        self._credentials = credentials
        self._evidence = plan.evidence_of(cell.id)
        self._recorder = Recorder(plan, cell.id)
        self._stack = ExitStack()
        self._accelerator: Accelerator | None = None
        self._machine: Machine | None = None
        self._shell: Shell | None = None
        self._lost_shells = 0
        self._shell_failure: str | None = None
        self._logged_in = False
        self._credential: Credential | None = None
        self._privilege: Privilege = NoPrivilege("nobody has logged in")
        self._disks_before: DiskContents | None = None
        self._reads_told = ""
        self._ways: tuple[WayIn, ...] | None = None
        self._booted_for: WayIn | None = None
        self._boot_obstacle: str | None = None
        self._own_way: WayIn | None = None
        self._lost: str | None = None
        self._no_way_in: str | None = None

    @property
    def recorder(self) -> Recorder:
        """Keeps what the machine shows; works before the boot and after the end."""
        return self._recorder

    @property
    def time_scale(self) -> float:
        return 1.0 if self._accelerator is None else self._accelerator.time_scale

    @property
    def emulated(self) -> bool:
        return self._accelerator is not None and self._accelerator.name == "tcg"

    @property
    def added_arguments(self) -> str:
        """What the harness itself has put at the end of the kernel's command line."""
        return "" if self._booted_for is None else self._booted_for.added_arguments

    def boot(self) -> str:
        """Starts the machine and waits for its login prompt; raises a `VerifyError` when it does not come."""
        if self._machine is None:
            with self._lost_when_raising("the machine did not boot"):
                ways = self._ways_in()
                self._start(ways[0] if ways else None)
            self._recorder.screenshot("login")
        machine = self._require_machine()
        phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in _in_order(machine.phase_times))
        return f"{phases}; {self._reads_told}"

    def _prove_medium_booted(self, machine: Machine) -> str:
        medium, *others = machine.disk_reads()
        return judge_boot_source(medium, tuple(others), bytes_to_load(self._plan.medium))

    def line_that_showed(self, pattern: str) -> str | None:
        try:
            self.boot()
        except GuestFailed:
            if self._plan.patterns.ends_boot is not pattern_named(pattern) or self._line_of(pattern) is None:
                raise
        return self._line_of(pattern)

    def _line_of(self, pattern: str) -> str | None:
        return None if self._machine is None else self._machine.console.seen_patterns.get(pattern_named(pattern))

    def compare_disks(self) -> str:
        writes = self.disk_writes()
        assert self._disks_before is not None
        return self._disks_before.compare(writes)

    @property
    def excused_stalls(self) -> int:
        return self._require_machine().console.excused_stalls

    def others_with_machine_id(self, machine_id: str) -> tuple[str, ...]:
        return others_with(machine_id, self._plan, self._cell)

    def _start(self, way: WayIn | None) -> None:
        """Launches a machine equipped for `way` and waits for its login prompt."""
        self._accelerator = probe_accelerator(self._cell.firmware)
        self._evidence.mkdir(parents=True, exist_ok=True)
        spec = self._cell.spec(self._plan.medium)
        self._disks_before = self._disks_before or DiskContents.of(spec)
        machine = Machine(
            spec if way is None else way.equip(spec),
            self._accelerator,
            self._evidence,
            tolerated=self._plan.patterns.tolerated,
            keep=self._plan.keep,
        )
        self._machine = self._stack.enter_context(machine)
        self._booted_for = way
        self._recorder.machine_started(machine, self._accelerator)
        with self._recorder.boot():
            self._boot_obstacle = None if way is None else way.accompany(machine)
            wait_for_login_prompt(machine.console, self._deadline(_BOOT_CEILING_SECONDS))
        self._reads_told = self._prove_medium_booted(machine)

    def _ways_in(self) -> tuple[WayIn, ...]:
        if self._ways is None:
            self._ways = ways_in(self._plan.access, self._credentials, *look_into(self._plan.medium))
        return self._ways

    def shell(self) -> GuestShell:
        """The harness's own shell, opened again where a login check has closed it."""
        if self._no_way_in is not None:
            raise NotReached(self._no_way_in)
        self._require_machine()
        if self._credential is None and self._own_way is None:
            self.open_shell()
        if self._shell is None:
            self._enter_again()
        assert self._shell is not None
        return WatchedShell(self._shell, self.shell_failed)

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

    def privilege(self) -> Privilege:
        return self._privilege

    def open_shell(self) -> str:
        """Tries the ways in until one gives root's rights; the last may do with less. Boots again in between."""
        with self._no_way_in_when_raising():
            ways = self._ways_in()
            if not ways:
                raise HarnessFault(why_none(self._plan.access))
            self._require_machine()
            failed: list[str] = []
            for way, following in zip(ways, (*ways[1:], None), strict=True):
                obstacle = self._try(way)
                if obstacle is None or (following is None and self._shell is not None):
                    break
                failed.append(f"{way.means}: {obstacle}")
                if following is not None:
                    tell(self._plan.events_file, AccessFailed(self._cell.id, failed[-1], str(following.means)))
            else:
                raise HarnessFault(f"no way into the machine; {'; '.join(failed)}")
        return self._tell_shell(way, failed)

    def _tell_shell(self, way: WayIn, failed: list[str]) -> str:
        session = "root's own shell" if self._credential is None else f"logged in as {self._credential.user}"
        user = "root" if self._credential is None else self._credential.user
        access = "; ".join((str(way.means), *(f"before that, {attempt}" for attempt in failed)))
        changes = way.changes or (self._booted_for.changes if self._booted_for else "") or "nothing"
        tell(self._plan.events_file, ShellOpened(self._cell.id, user, self._privilege.means, access, changes))
        return f"{session}; root: {self._privilege.means}; by {access}; changed by that: {changes}"

    def _try(self, way: WayIn) -> str | None:
        """None when `way` has given a shell that can become root; else why not, perhaps with a lesser shell."""
        if way is not self._booted_for and way.equip(spec := self._cell.spec(self._plan.medium)) != spec:
            self._boot_again(way)
        if self._booted_for is way and self._boot_obstacle is not None:
            return self._boot_obstacle
        if not way.accounts:
            return self._open_own_shell(way)
        refused = self._choose_credential(way.accounts)
        if refused is not None and way.means is Means.PASSWORD:
            raise ProductFailure(f"no user whose password is known can log in: {refused}")
        if refused is not None:
            return refused
        return self._privilege.reason if isinstance(self._privilege, NoPrivilege) else None

    def _open_own_shell(self, way: WayIn) -> str | None:
        shell = way.open_own_shell(self._require_machine(), self._login_deadline())
        if not isinstance(shell, Shell):
            return shell or f"{way.means} opens no shell"
        self._own_way, self._shell, self._privilege = way, shell, RootShell()
        return None

    def _boot_again(self, way: WayIn) -> None:
        self._shell, self._credential, self._logged_in = None, None, False
        before = "first" if self._booted_for is None else str(self._booted_for.means)
        with self._lost_when_raising("the machine did not boot again"):
            self._stack.close()
            tell(self._plan.events_file, MachineEnded(self._cell.id))
            for log in sorted(self._evidence.glob("*.*")):
                if log.suffix in (".log", ".cast"):
                    log.rename(log.with_name(f"before-by-{before}-{log.name}"))
            self._start(way)

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
        ceiling = self._deadline(_CLOUD_INIT_CEILING_SECONDS)
        while True:
            last_try = not credential.by_cloud_init or ceiling.expired or self._cloud_init_has_finished()
            result = self._log_in(credential.user, credential.password, _REFUSALS_OF_A_RIGHT_PASSWORD)
            if result is LoginResult.ACCEPTED:
                with self._lost_when_raising("the console was lost"):
                    self._shell = Shell.open(self._require_machine().console, self._login_deadline())
            if last_try or result is not LoginResult.REFUSED:
                return result

    def try_login(self, user: str, password: SecretStr) -> LoginResult:
        """Leaves the harness's own session, tries once, and comes back to the login prompt."""
        result = self._log_in(user, password)
        self._leave()
        return result

    def _log_in(self, user: str, password: SecretStr, refusals: int = 1) -> LoginResult:
        self._leave()
        console = self._require_machine().console
        with self._lost_when_raising("the console was lost"):
            secret = password.get_secret_value()
            result = log_in(console, user, secret, self._login_deadline(), refusals=refusals)
        self._logged_in = result is LoginResult.ACCEPTED
        return result

    def _leave(self) -> None:
        machine = self._require_machine()
        with self._lost_when_raising("the console was lost"):
            if self._shell is not None and self._own_way is None:
                self._shell.close()
                self._shell = None
            if self._logged_in:
                log_out(machine.console, self._login_deadline())
                self._logged_in = False

    def serial_text(self) -> str:
        """The raw serial log so far, without escape sequences."""
        log = self._evidence / "serial.log"
        text = log.read_bytes().decode(errors="replace") if log.exists() else ""
        return _ESCAPES.sub("", text)

    @property
    def why_no_shell(self) -> str | None:
        """Why nothing can be asked of the machine as it is now; None if it can."""
        if self._lost is not None or self._no_way_in is not None:
            return self._lost or self._no_way_in
        nobody = self._shell is None and self._credential is None and self._own_way is None
        return "nobody has logged in" if nobody else None

    def disk_writes(self) -> tuple[DiskWrites, ...]:
        return self._require_machine().disk_writes()

    def close(self) -> None:
        """Ends the machine, whatever state it is in."""
        machine, self._machine = self._machine, None
        if machine is None:
            return
        try:
            if self._plan.keep:
                self._leave_running(machine)
            self._lost = self._lost or "the machine has been ended"
            self._stack.close()
        finally:
            tell(self._plan.events_file, MachineEnded(self._cell.id))

    def _leave_running(self, machine: Machine) -> None:
        """Whatever state it is in; one that is not there any more cannot be left."""
        with contextlib.suppress(VerifyError, NotReached):
            if self._shell is not None and self._lost is None:
                self._shell.close()
        with contextlib.suppress(QmpError):
            machine.leave_running()

    def shell_failed(self, error: VerifyError) -> None:
        """A command could not be run. The next check tries a fresh login, which a dead machine refuses."""
        if isinstance(error, CommandTimedOut):
            return
        self._shell = None
        self._shell_failure = f"the shell was lost: {_first_line(error)}"
        self._lost_shells += 1
        if self._lost_shells >= _LOST_SHELLS_AT_MOST:
            self._lost = self._shell_failure

    def _require_machine(self) -> Machine:
        if self._lost is not None:
            raise NotReached(self._lost)
        if self._machine is None:
            self.boot()
        assert self._machine is not None
        return self._machine

    @contextmanager
    def _lost_when_raising(self, what: str) -> Iterator[None]:
        """Whatever ends the block early makes everything that follows unreachable."""
        if self._lost is not None:
            raise NotReached(self._lost)
        try:
            yield
        except BaseException as error:
            self._lost = f"{what}: {_first_line(error)}"
            self._recorder.screenshot("lost")
            raise

    @contextmanager
    def _no_way_in_when_raising(self) -> Iterator[None]:
        try:
            yield
        except VerifyError as error:
            self._no_way_in = f"the harness has no shell: {_first_line(error)}"
            raise

    def _cloud_init_has_finished(self) -> bool:
        return _CLOUD_INIT_FINISHED.search(self.serial_text()) is not None

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds * self.time_scale)

    def _login_deadline(self) -> Deadline:
        return self._deadline(_LOGIN_CEILING_SECONDS)


def _in_order(times: Mapping[Phase, float]) -> list[tuple[Phase, float]]:
    return sorted(times.items())


def _first_line(error: BaseException) -> str:
    """The cause without the console's last lines, which the failed check itself shows."""
    return (str(error) or type(error).__name__).split("\n")[0]
