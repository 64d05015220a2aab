"""Runs the image's own programs, cut off from the host.

They see the image's root, a /dev of harmless nodes, their own processes and, unless it is lent to them, no
network. They are root of a user namespace, so that nothing they do has the host's privileges.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mic.errors import UserError
from mic.mounts import mounted
from mic.programs import DEFAULT_TIMEOUT_SECONDS, Completed, ProgramFailed, run
from mic.rootfs import enter

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {
    "PATH": PATH,
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
}
_RESOLV_CONF = Path("/etc/resolv.conf")


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
        read_only_binds: Mapping[Path, str] | None = None,
        network: bool = False,
        environment: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> Completed:
        """Runs a program of the image to its end; whatever it left running is ended with it.

        `binds` shows directories of the host at paths below the sandbox's /run. `read_only_binds` shows
        directories or files of the host at any path, also at one that the image lacks and will lack
        afterwards; nothing in the sandbox can make them writable. With `network`, the program has the host's
        network and sees its /etc/resolv.conf in the place of the image's. With `read_only` the root cannot be
        changed: mount points that it lacks can then be below /run and /tmp only. `timeout` is in seconds.
        `stdin` may hold secrets. Raises `ProgramFailed` when the exit code is not 0 and `check` is set.
        """
        with ExitStack() as lent:
            shown = dict(read_only_binds or {}) | (_host_resolver() if network else {})
            safe = {lent.enter_context(self._made_read_only(source)): target for source, target in shown.items()}
            request = enter.Request(
                top=str(self.top),
                scratch=str(self.scratch),
                read_only=read_only,
                network=network,
                binds=tuple((str(source), target) for source, target in (dict(binds or {}) | safe).items()),
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

    @contextmanager
    def _made_read_only(self, source: Path) -> Iterator[Path]:
        """`source` once more, as a read-only mount without those below it.

        Made out here, because the kernel locks the flags of a mount that comes from outside a user namespace
        and lets root in there change those of its own (mount_namespaces(7), "Restrictions on mount
        namespaces"). For the same reason it cannot leave out, in there, the mounts below `source`.
        """
        directory = Path(tempfile.mkdtemp(prefix="lent-", dir=self.scratch.parent))
        place = directory / "it"
        if source.is_dir():
            place.mkdir()
        else:
            place.touch()
        with mounted("--bind", "-o", "ro,nosuid,nodev", source, place):
            yield place
        # Nothing that removes whole trees: it would go into `source`, were it still mounted here, and writable.
        if source.is_dir():
            place.rmdir()
        else:
            place.unlink()
        directory.rmdir()


def _host_resolver() -> dict[Path, str]:
    """Where the host's names come from; nothing where it has no resolv.conf."""
    return {_RESOLV_CONF: str(_RESOLV_CONF)} if _RESOLV_CONF.is_file() else {}
