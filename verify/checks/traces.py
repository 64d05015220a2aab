"""The release file, and the directory that scripts ran in: on the medium and in the machine."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from verify.checks.guest import Guest, in_machine
from verify.checks.on_medium import Reader, on_medium
from verify.expectations.traces import RELEASE_FILE, SCRIPTS_DIRECTORY, ReleaseFileTells, ScriptsDirectoryGone
from verify.verdict import ProductFailure

# As in os-release(5): a name, and a value that may be in quotes.
_LINE = re.compile(r"""(?P<name>[A-Z_]+)=(?P<quote>["']?)(?P<value>.*)(?P=quote)""")
_VERSION = re.compile(r"[\w.+~-]+")


def judge_release(text: str) -> str:
    """Raises `ProductFailure` unless the version and a date in UTC are there, each once."""
    matches = [match for line in text.split("\n") if (match := _LINE.fullmatch(line.strip()))]
    values: dict[str, str] = {}
    for match in matches:
        if match["name"] in values:
            raise ProductFailure(f"{RELEASE_FILE} has {match['name']} twice")
        values[match["name"]] = match["value"]
    for name in ("TOOL_VERSION", "BUILD_DATE"):
        if not values.get(name):
            raise ProductFailure(f"{RELEASE_FILE} has no {name}")
    version, date = values["TOOL_VERSION"], values["BUILD_DATE"]
    if not _VERSION.fullmatch(version):
        raise ProductFailure(f"TOOL_VERSION in {RELEASE_FILE} is {version!r}, which is no version")
    if not _is_utc(date):
        raise ProductFailure(f"BUILD_DATE in {RELEASE_FILE} is {date!r}, which is no date and time of ISO 8601 in UTC")
    return f"version {version}, built {date}"


def _is_utc(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False


@on_medium.of(ReleaseFileTells)
def release_on_medium(subject: ReleaseFileTells, reader: Reader) -> str:
    text = reader.rootfs().read_text(RELEASE_FILE)
    reader.notebook.note(f"read {RELEASE_FILE} in the squashfs", text)
    return judge_release(text)


@in_machine.of(ReleaseFileTells)
def release_in_machine(subject: ReleaseFileTells, guest: Guest) -> str:
    answer = guest.run(f"cat {RELEASE_FILE}").expect(0, 1)
    if answer.exit_code != 0:
        raise ProductFailure(f"{RELEASE_FILE} cannot be read: {answer.stderr}")
    return judge_release(answer.stdout)


@on_medium.of(ScriptsDirectoryGone)
def scripts_directory_on_medium(subject: ScriptsDirectoryGone, reader: Reader) -> str:
    entry = reader.rootfs().entries.get(PurePosixPath(SCRIPTS_DIRECTORY))
    reader.notebook.note(f"looked up {SCRIPTS_DIRECTORY} in the squashfs", "absent" if entry is None else "present")
    if entry is not None:
        raise ProductFailure(f"the rootfs has {SCRIPTS_DIRECTORY}")
    return "absent"


@in_machine.of(ScriptsDirectoryGone)
def scripts_directory_in_machine(subject: ScriptsDirectoryGone, guest: Guest) -> str:
    command = f"if [ -e {SCRIPTS_DIRECTORY} ] || [ -L {SCRIPTS_DIRECTORY} ]; then echo present; else echo absent; fi"
    if (seen := guest.run(command).expect(0).stdout) != "absent":
        raise ProductFailure(f"{SCRIPTS_DIRECTORY} is there")
    return seen
