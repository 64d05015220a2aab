"""Keeps the services of packages from starting while packages are installed.

What asks systemd finds none: there is no /run/systemd/system in the sandbox, and SYSTEMD_OFFLINE makes systemctl
change links only (systemctl(1), ENVIRONMENT.md of systemd). What asks invoke-rc.d is denied by a policy-rc.d
(invoke-rc.d(8)); what calls start-stop-daemon finds one that starts nothing. Whatever starts all the same ends
with the sandbox's pid namespace.
"""

from __future__ import annotations

from pathlib import Path

from mic.customize.packages.sources import PLACE

# Stands first in the PATH of what package managers run.
PROGRAMS = f"{PLACE}/programs"
_POLICY = "/usr/sbin/policy-rc.d"
_DENIED = "#!/bin/sh\n# Exit code 101: action forbidden by policy.\nexit 101\n"
_NOTHING_STARTED = "#!/bin/sh\n# A disk image is being made: no service starts here.\nexit 0\n"

ENVIRONMENT = {
    "SYSTEMD_OFFLINE": "1",
    # The Container Interface of systemd: kernel hooks leave the boot loader of this disk alone, which is none.
    "container": "mic",
}


def keep_quiet(directory: Path, *, has_init_scripts: bool) -> dict[Path, str]:
    """Writes what keeps services from starting into `directory` (empty); returns where it is to be shown."""
    programs = directory / "programs"
    programs.mkdir()
    _write_program(programs / "start-stop-daemon", _NOTHING_STARTED)
    if not has_init_scripts:
        return {programs: PROGRAMS}
    policy = directory / "policy-rc.d"
    _write_program(policy, _DENIED)
    return {programs: PROGRAMS, policy: _POLICY}


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
