"""Files, kernel arguments and the host name in the booted machine."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from verify.checks import content
from verify.checks.guest import Guest, in_machine
from verify.expectations.files import MEDIUM_MOUNT_POINT, FileDigest, FileInRootfs, FileOnMedium
from verify.expectations.host_name import HostNameIs, HostsLineNames
from verify.expectations.kernel_line import ArgumentsAtTheEnd, RootArgument
from verify.verdict import HarnessFault, ProductFailure


@in_machine.of(ArgumentsAtTheEnd)
def arguments_at_the_end(subject: ArgumentsAtTheEnd, guest: Guest) -> str:
    return content.judge_text_at_the_end(_command_line(guest), subject.arguments)


@in_machine.of(RootArgument)
def root_argument(subject: RootArgument, guest: Guest) -> str:
    # Where the user's arguments have arrived they are cut off first: a root= among them is not the stock one.
    stock = f" {_command_line(guest)}"
    for form in subject.arguments.forms:
        stock = stock.removesuffix(f" {form}")
    return content.judge_root_argument(tuple(stock.split()), subject.label, type(subject.arguments)())


def _command_line(guest: Guest) -> str:
    """The kernel's command line as the medium made it: without what the harness itself has added."""
    line = guest.run("cat /proc/cmdline").expect(0).stdout
    # It is not there where GRUB did not take it and the harness went on without; nothing but it is taken off.
    added = guest.session.added_arguments
    return line.removesuffix(f" {added}") if added else line


@in_machine.of(FileOnMedium)
def file_on_medium(subject: FileOnMedium, guest: Guest) -> str:
    return _file(guest, MEDIUM_MOUNT_POINT / str(subject.path).lstrip("/"), subject.digest)


@in_machine.of(FileInRootfs)
def file_in_rootfs(subject: FileInRootfs, guest: Guest) -> str:
    return _file(guest, subject.path, subject.digest)


def _file(guest: Guest, path: PurePosixPath, expected: FileDigest) -> str:
    """One command shows mode, owner, size and digest: `L` follows a link, as whoever reads the file does."""
    quoted = shlex.quote(str(path))
    answer = guest.run_as_needed(f"stat -L -c '%F|%a|%u|%g|%s' -- {quoted} && sha256sum < {quoted}").expect(0, 1, 2)
    if answer.exit_code != 0:
        missing = "No such file" in answer.stderr
        raise ProductFailure(f"{path} {'does not exist' if missing else f'cannot be read: {answer.stderr}'}")
    kind, mode, uid, gid, size, digest = _stat_and_digest(answer.stdout)
    if not kind.startswith("regular"):
        raise ProductFailure(f"{path} is a {kind}")
    seen = FileDigest(digest, int(size), int(mode, 8))
    return content.judge_file(path, seen, (int(uid), int(gid)), expected)


def _stat_and_digest(output: str) -> tuple[str, str, str, str, str, str]:
    fields = output.split("\n", maxsplit=1)[0].split("|")
    digest = output.rsplit("\n", maxsplit=1)[-1].split(" ", maxsplit=1)[0]
    if len(fields) != 5 or len(digest) != 64:
        raise HarnessFault(f"stat and sha256sum printed {output!r}")
    kind, mode, uid, gid, size = fields
    return kind, mode, uid, gid, size, digest


@in_machine.of(HostNameIs)
def host_name_is(subject: HostNameIs, guest: Guest) -> str:
    # The kernel's name needs no program: hostname(1) is not on every system.
    running = guest.run("cat /proc/sys/kernel/hostname").expect(0).stdout
    seen = content.judge_host_name(running, subject.names, "the kernel says")
    file = guest.run("cat /etc/hostname").expect(0, 1)
    if file.exit_code != 0:
        raise ProductFailure("there is no /etc/hostname")
    return f"{seen}, {content.judge_hostname_file(file.stdout, subject.names)}"


@in_machine.of(HostsLineNames)
def hosts_line_names(subject: HostsLineNames, guest: Guest) -> str:
    file = guest.run("cat /etc/hosts").expect(0, 1)
    if file.exit_code != 0:
        return "there is no /etc/hosts"
    return content.judge_hosts(file.stdout, subject.names)
