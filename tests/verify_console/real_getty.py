"""A real agetty(8) and login(1) with PAM on a pseudo-terminal, with users of its own.

Runs in a mount namespace in which /etc/passwd, /etc/shadow, /etc/motd and /var/log are the test's; the host
sees nothing of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mic import programs
from tests.verify_console.noisy_line import SILENCE, Noise, NoisyLine, console_of
from verify.console.serial import SerialConsole

PASSWORD = "right horse $1 ü"


@dataclass(frozen=True)
class Account:
    """A user: the login shell, what stands before the hash in shadow(5), and its fields 3 and 8."""

    name: str
    shell: str = "/bin/bash"
    lock: str = ""
    changed_day: int = 19_000
    expires_day: str = ""
    no_password: bool = False


@contextmanager
def getty_console(
    directory: Path,
    accounts: tuple[Account, ...],
    *,
    noise: Noise = SILENCE,
    seed: int = 1,
    motd: str = "",
    delay_seconds: float = 0,
    log: Path | None = None,
) -> Iterator[tuple[SerialConsole, NoisyLine]]:
    """The console of a getty for `accounts`, all with `PASSWORD`, which comes up after a delay."""
    _write_accounts(directory, accounts)
    (directory / "motd").write_text(motd)
    binds = "".join(f"mount --bind {directory}/{name} /etc/{name}\n" for name in ("passwd", "shadow", "motd"))
    # Bound to a place the users can reach: the test's own directory is closed to them.
    binds += "mount -t tmpfs -o mode=755 tmpfs /home\n" + "".join(
        f"mkdir /home/{account.name}\nmount --bind {directory}/home-{account.name} /home/{account.name}\n"
        for account in accounts
    )
    script = directory / "getty.sh"
    script.write_text(
        "set -e\n"
        f"[ -e /etc/motd ]\n{binds}"
        # Its own records of logins, so that there are "Last login" lines and none on the host.
        "mount -t tmpfs tmpfs /var/log\n: >/var/log/lastlog; : >/var/log/wtmp; : >/var/log/btmp\n"
        "[ ! -e /run/utmp ] || { : >/var/log/utmp; mount --bind /var/log/utmp /run/utmp; }\n"
        "echo '[    1.000000] systemd[1]: Reached target multi-user.target - Multi-User System.'\n"
        f"sleep {delay_seconds}\n"
        "while :; do setsid --ctty --wait agetty --noclear 115200 - vt220 || :; done\n"
    )
    with console_of(["unshare", "--mount", "sh", str(script)], noise=noise, seed=seed, log=log) as (console, line):
        yield console, line


def _write_accounts(directory: Path, accounts: tuple[Account, ...]) -> None:
    hashed = programs.run("openssl", "passwd", "-6", "-stdin", stdin=f"{PASSWORD}\n".encode()).text.strip()
    passwd = Path("/etc/passwd").read_text()
    shadow = "".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in passwd.splitlines())
    for number, account in enumerate(accounts):
        home = directory / f"home-{account.name}"
        home.mkdir()
        os.chown(home, 40_000 + number, 40_000)
        passwd += f"{account.name}:x:{40_000 + number}:40000::/home/{account.name}:{account.shell}\n"
        secret = "" if account.no_password else account.lock + hashed
        shadow += f"{account.name}:{secret}:{account.changed_day}:0:99999:7::{account.expires_day}:\n"
    (directory / "passwd").write_text(passwd)
    (directory / "shadow").write_text(shadow)
    (directory / "shadow").chmod(0o640)


def today() -> int:
    """Days since 1970, as shadow(5) counts."""
    return int(time.time() // 86_400)
