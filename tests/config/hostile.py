"""Files that no user writes on purpose, each with a part of the answer to it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HUGE_BYTES = 100 << 20


def _bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    return "\n".join(lines)


def _merge_bomb() -> str:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}" for level in range(1, 12)]
    return "\n".join(lines)


def _chain() -> str:
    return "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 90))


def _below(key: str, item: str, count: int) -> str:
    """`count` times the same below a key of SystemConfig; # in it stands for the number."""
    return f"SystemConfig:\n  {key}:\n" + "".join(f"  - {item.replace('#', str(n))}\n" for n in range(count))


def _packages() -> str:
    return "Packages:\n" + "".join(f"- package-with-a-long-name-{number}\n" for number in range(19_900))


def _deep_destinations() -> str:
    destinations = "".join(f"/{'a/' * 20}{number}, " for number in range(9_900))
    return f"Iso:\n  AdditionalFiles:\n    c.yaml: [{destinations}/b/..]"


@dataclass(frozen=True)
class Hostile:
    """A configuration, and a file `beside` that it names."""

    name: str
    content: Callable[[], str | bytes]
    complaint: str
    beside: Callable[[], str] | None = None
    size: int | None = None

    def write(self, directory: Path) -> Path:
        """Writes both, and returns the configuration; a `size` in bytes is filled up with nothing."""
        content = self.content()
        file = directory / "c.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        if self.size is not None:
            with file.open("rb+") as stream:
                stream.truncate(self.size)
        if self.beside is not None:
            (directory / "beside").write_text(self.beside())
        return file


UNFOLDED = "aliases unfold to more than 20000 values"
DEEP = "nested more than 50 levels deep"
MANY = "the file holds more than 20000 values"
TOGETHER = "hold more than 20000 packages and keys together"

HOSTILE = (
    Hostile("aliases that unfold to 9^12 values", _bomb, UNFOLDED),
    Hostile("merge keys that unfold to 9^12 values", _merge_bomb, UNFOLDED),
    Hostile("a chain of aliases", _chain, DEEP),
    Hostile("an alias of itself", lambda: "a: &a [*a]", "an alias refers to a value that it is part of"),
    Hostile("a merge of itself", lambda: "Iso: &a {SystemConfig: {<<: *a}}", "an alias refers to a value"),
    Hostile("an alias of a long text", lambda: f"a: &a {'x' * 500_000}\nb: [{'*a,' * 19_000}]", "a: unknown key"),
    Hostile("lists within lists", lambda: "[" * 500_000, DEEP),
    Hostile("maps within maps", lambda: "{a: " * 200_000, DEEP),
    Hostile("dashes within dashes", lambda: "- " * 500_000, DEEP),
    Hostile("keys within keys", lambda: "? " * 300_000, DEEP),
    Hostile("lists side by side", lambda: "[],\n" * 100_000, "nothing can stand here"),
    Hostile("many values", lambda: f"a: [{'1,' * 400_000}]", MANY),
    Hostile("many directives", lambda: "".join(f"%TAG !a{n}! b\n" for n in range(60_000)) + "--- a", "begin with %"),
    Hostile("noise", lambda: random.Random(1).randbytes(1 << 20), "is not UTF-8 text"),
    Hostile("zeros", lambda: b"\0" * 100_000, "the character U+0000 is not allowed"),
    Hostile("100 MB", lambda: "a: b\n", "is larger than 1 MiB", size=HUGE_BYTES),
    Hostile("100 MB of YAML", lambda: "a: b\n" * (HUGE_BYTES // 5), "is larger than 1 MiB"),
    Hostile("a long text", lambda: f"Iso: {'x' * 1_000_000}", "Iso: must be a map, not text"),
    Hostile("quotes without an end", lambda: '"' + "\n" * 1_000_000, "the file ends inside quotes"),
    Hostile(
        "JSON of escapes", lambda: "{" + "".join(f'"\\ud83d\\ude00{n}": 1, ' for n in range(9_000)) + "}", "unknown"
    ),
    Hostile("a long host name", lambda: f"SystemConfig: {{Hostname: {'a.' * 500_000}}}", "at most 255 characters"),
    Hostile(
        "a long number", lambda: _below("Users", f"{{Name: a, UID: {'9' * 1_000_000}}}", 1), "must be a whole number"
    ),
    Hostile("many misspelt keys", lambda: _below("Users", "{Nome: u, UID: x}", 3_900), "(did you mean Name?)"),
    Hostile(
        "many misspelt keys of one map",
        lambda: "SystemConfig:\n" + "".join(f"  PackagesInstal{n}: 1\n" for n in range(9_900)),
        "(did you mean PackagesInstall?)",
    ),
    Hostile(
        "many misspelt values", lambda: _below("PartitionSettings", "{ID: a, MountIdentifier: uuids}", 3_900), "uuid?"
    ),
    Hostile(
        "many missing files",
        lambda: "Iso:\n  AdditionalFiles:\n" + "".join(f"    missing{n}: /{n}\n" for n in range(9_900)),
        "no such file",
    ),
    Hostile(
        "many deep destinations",
        _deep_destinations,
        "must not hold ..",
    ),
    Hostile(
        "one list of packages again and again",
        lambda: _below("PackageListsInstall", "beside", 9_900),
        TOGETHER,
        _packages,
    ),
    Hostile(
        "one file of keys again and again",
        lambda: _below("Users", "{Name: a#, SSHPubKeyPaths: [beside, beside]}", 2_500),
        TOGETHER,
        lambda: "k\n" * 500_000,
    ),
    Hostile(
        "one file of no password again and again",
        lambda: _below("Users", "{Name: a#, PasswordPath: beside}", 3_900),
        "the file is larger than 4 KiB",
        lambda: "k" * 1_000_000,
    ),
)
