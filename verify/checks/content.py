"""Judging of files, kernel arguments and host names: values in, what was seen out; used for both places."""

from __future__ import annotations

from pathlib import PurePosixPath

from mic.kernel_arguments import KernelArguments
from verify.expectations.files import FileDigest
from verify.verdict import ProductFailure

ROOT_ARGUMENT = "root=live:LABEL="


def judge_file(path: PurePosixPath, seen: FileDigest, owner: tuple[int, int] | None, expected: FileDigest) -> str:
    """Raises `ProductFailure` when content, mode or owner differ; `owner` is uid and gid, None if unknown."""
    wrong = []
    if (seen.sha256, seen.size) != (expected.sha256, expected.size):
        wrong.append(f"other content ({seen.size} bytes, expected {expected.size})")
    if seen.mode != expected.mode:
        wrong.append(f"mode {seen.mode:04o}, expected {expected.mode:04o}")
    if owner not in ((0, 0), None):
        wrong.append(f"owner {owner}, expected root")
    if wrong:
        raise ProductFailure(f"{path}: {'; '.join(wrong)}")
    return f"{seen.size} bytes, sha256 {seen.sha256[:16]}, mode {seen.mode:04o}"


def judge_words_at_the_end(words: tuple[str, ...], asked: KernelArguments) -> str:
    """For grub.cfg: raises `ProductFailure` unless `words` end in the arguments asked for."""
    if not asked.words or words[-len(asked.words) :] != asked.words:
        raise ProductFailure(f"the linux line does not end in {asked.shown!r} but is {' '.join(words)!r}")
    return " ".join(words)


def judge_text_at_the_end(command_line: str, asked: KernelArguments) -> str:
    """For /proc/cmdline: raises `ProductFailure` unless it ends in the arguments, whole and in order."""
    if not any(f" {command_line}".endswith(f" {form}") for form in asked.forms):
        raise ProductFailure(_difference(command_line, asked))
    return command_line


def _difference(command_line: str, asked: KernelArguments) -> str:
    """Names the arguments that have not arrived, so that the cause can be seen at a glance."""
    shown = [KernelArguments((word,)).shown for word in asked.words]
    missing = [argument for argument in shown if f" {argument} " not in f" {command_line} "]
    if missing:
        return f"missing, cut short or changed: {', '.join(missing)}; the command line is {command_line!r}"
    return f"all are there but not at the end, whole and in order; the command line is {command_line!r}"


def judge_root_argument(words: tuple[str, ...], label: str, asked: KernelArguments) -> str:
    """Raises `ProductFailure` unless root=live:LABEL=`label` is among the words before those asked for."""
    stock = words[: max(0, len(words) - len(asked.words))] if asked.words else words
    roots = [word for word in stock if word.startswith("root=")]
    if roots != [f"{ROOT_ARGUMENT}{label}"]:
        seen = ", ".join(roots) if roots else "no root= at all"
        raise ProductFailure(f"expected {ROOT_ARGUMENT}{label} before the configuration's own, found {seen}")
    return roots[0]


def judge_hostname_file(text: str, names: tuple[str, ...]) -> str:
    """`text` of /etc/hostname; raises `ProductFailure` when it is none of `names` (hostname(5))."""
    lines = [line.strip() for line in text.split("\n")]
    seen = next((line for line in lines if line and not line.startswith("#")), "")
    return judge_host_name(seen, names, "/etc/hostname says")


def judge_host_name(seen: str, names: tuple[str, ...], where: str) -> str:
    """Raises `ProductFailure` when `seen` is none of `names`."""
    if seen not in names:
        raise ProductFailure(f"{where} {seen!r}, not {' or '.join(names)}")
    return f"{where} {seen}"


def judge_hosts(text: str, names: tuple[str, ...]) -> str:
    """`text` of /etc/hosts; raises `ProductFailure` when a line for 127.0.1.1 names something else."""
    for line in text.split("\n"):
        address, *hosts = line.partition("#")[0].split() or [""]
        if address == "127.0.1.1":
            # The first label is what the configuration sets; a domain of the image's may follow it.
            if not {host for name in hosts for host in (name, name.partition(".")[0])} & set(names):
                raise ProductFailure(f"/etc/hosts has {line.strip()!r}, without {' or '.join(names)}")
            return line.strip()
    return "no line for 127.0.1.1"
