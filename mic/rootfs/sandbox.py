"""Runs the image's own programs, cut off from the host.

They see the image's root, a /dev of harmless nodes, their own processes and no network. They are root of a
user namespace, so that nothing they do has the host's privileges.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mic.errors import UserError
from mic.programs import DEFAULT_TIMEOUT_SECONDS, Completed, ProgramFailed, run
from mic.rootfs import enter

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
}


@dataclass(frozen=True)
class Sandbox:
    """The image's root at `top`; `scratch` is a directory of the host that becomes /var/tmp."""

    top: Path
    scratch: Path

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        check: bool = True,
        read_only: bool = False,
        binds: Mapping[Path, str] | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Completed:
        """Runs a program of the image to its end; whatever it left running is ended with it.

        `binds` shows directories of the host at paths below the sandbox's /run. With `read_only` the root
        cannot be changed. `timeout` is in seconds. `stdin` may hold secrets. Raises `ProgramFailed` when
        the exit code is not 0 and `check` is set.
        """
        request = enter.Request(
            top=str(self.top),
            scratch=str(self.scratch),
            read_only=read_only,
            binds=tuple((str(source), target) for source, target in (binds or {}).items()),
            arguments=tuple(arguments),
        )
        command: Sequence[str | Path] = (sys.executable, "-I", enter.__file__, json.dumps(request._asdict()))
        settings = _ENVIRONMENT | dict(environment or {})
        completed = run(*command, stdin=stdin, check=False, env=settings, timeout=timeout)
        if completed.exit_code == enter.FORBIDDEN_EXIT_CODE and enter.FORBIDDEN.encode() in completed.stderr:
            raise UserError(
                "this environment forbids user namespaces, in which mic runs the image's own programs",
                hint="leave the chroot; give the container seccomp=unconfined; raise user.max_user_namespaces",
            )
        if check and completed.exit_code != 0:
            raise ProgramFailed(completed)
        return completed
