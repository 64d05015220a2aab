"""The user's scripts, run in the image's own root: sandboxed, without network, nothing of them left running."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from mic.config import Config, Script
from mic.config.tree import problem_at
from mic.customize.planned_tree import PlannedTree
from mic.errors import UserError
from mic.programs import Completed, ProgramTimedOut
from mic.progress import Progress
from mic.rootfs.sandbox import PATH, Sandbox
from mic.tree import Tree

CONFIG_DIRECTORY = "/_imageconfigs"
_SHELLS = ("/bin/bash", "/bin/sh")
_LONGEST_SECONDS = 3600.0
_SHOWN_LINES = 20
# BINPRM_BUF_SIZE: the kernel reads no more of a script to find its interpreter (include/uapi/linux/binfmts.h).
_FIRST_LINE_BYTES = 256


def check(rootfs: Tree, config: Config) -> list[UserError]:
    """Arguments that no shell can read, and interpreters that the image lacks and nothing before can bring."""
    system = config.system_config
    image = PlannedTree(rootfs, system.additional_files)
    errors: list[UserError] = []
    for number, script in enumerate((*system.post_install_scripts, *system.finalize_image_scripts)):
        errors += _wrong_arguments(script)
        if number == 0 and not system.packages.may_bring_more:
            errors += _missing_interpreter(image, script)
    return errors


def _problem(script: Script, message: str, hint: str | None = None) -> UserError:
    return problem_at(script.position, script.key_path, message, hint)


def _wrong_arguments(script: Script) -> Iterator[UserError]:
    try:
        shlex.split(script.arguments)
    except ValueError as error:
        yield _problem(script, f"Args cannot be split into words: {str(error)[:1].lower()}{str(error)[1:]}")


def _missing_interpreter(image: PlannedTree, script: Script) -> Iterator[UserError]:
    line = _first_line(script)
    words = line.removeprefix("#!").split() if line.startswith("#!") else []
    if not words:
        return
    if PurePosixPath(words[0]).name == "env" and image.is_file(words[0]):
        program = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), None)
        if program is not None and not any(image.is_file(f"{place}/{program}") for place in PATH.split(":")):
            yield _problem(script, f"the image has no {program}, which {script.path} is to be run by")
    elif not image.is_file(words[0]):
        hint = "the file has Windows line ends" if line.endswith("\r") else None
        yield _problem(script, f"the image has no {words[0]}, which {script.path} is to be run by", hint)
    elif line.endswith("\r"):
        yield _problem(script, f"{script.path} has Windows line ends, with which its interpreter is not found")


def _first_line(script: Script) -> str:
    with script.file.open("rb") as file:
        return file.read(_FIRST_LINE_BYTES).split(b"\n")[0].decode(errors="replace")


def apply(rootfs: Tree, sandbox: Sandbox, config: Config, scripts: Sequence[Script], progress: Progress) -> None:
    """Runs the scripts one after the other; raises `UserError` with the last output of the first that fails."""
    for script in scripts:
        for problem in _missing_interpreter(PlannedTree(rootfs), script):
            raise problem
        with progress.stage(f"script {script.path}"):
            _run(rootfs, sandbox, config, script)


def _run(rootfs: Tree, sandbox: Sandbox, config: Config, script: Script) -> None:
    shell = next((path for path in _SHELLS if rootfs.is_file(path)), None)
    if shell is None:
        raise _problem(script, "the image has no shell to run scripts by")
    # Both outputs in one, in the order in which they were written.
    command = f'exec 2>&1\n"$0" {script.arguments}'
    try:
        done = sandbox.run(
            shell, "-c", command, f"{CONFIG_DIRECTORY}/{script.path}",
            read_only_binds={config.directory: CONFIG_DIRECTORY},
            check=False,
            timeout=_LONGEST_SECONDS,
        )  # fmt: skip
    except ProgramTimedOut as error:
        message = f"{script.path} was still running after {_LONGEST_SECONDS / 60:.0f} minutes and was ended"
        raise _problem(script, message) from error
    if done.exit_code != 0:
        raise _problem(script, f"{script.path} ended with exit code {done.exit_code}{_last_output(done)}")


def _last_output(done: Completed) -> str:
    lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()[-_SHOWN_LINES:]
    if not lines:
        return " and without output"
    return "; its last output:\n" + "\n".join(f"  | {line}" for line in lines)
