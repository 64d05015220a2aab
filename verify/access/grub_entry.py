"""GRUB's entry, extended in its editor over the serial line, so that systemd opens its debug shell.

``systemd.debug_shell`` (systemd-debug-generator(8)) starts a shell without a password on tty9, or, where the
generator takes a terminal's name, on a second serial port. On older ones (247 has been looked at, 252 measured) the
harness types on the machine's keyboard what brings the shell from tty9 to that port.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace

from verify.access.way import Means
from verify.console.shell import Shell
from verify.deadline import Deadline
from verify.expectations.credentials import Credential
from verify.machine.failure import ConsoleLost, GuestFailed
from verify.machine.machine import Machine
from verify.machine.spec import MachineSpec
from verify.verdict import HarnessFault

_TERMINAL = "ttyS1"
# Seconds on fast hardware. The editor draws every character anew over the serial line.
_MENU_SECONDS = 300.0  # where there is no menu, what the boot shows instead ends the wait
_EDITOR_SECONDS = 20.0
_LEAVE_SECONDS = 2.0
_EDITED_SECONDS = 60.0
_COMMAND_SECONDS = 60.0
_KEY_PAUSE_SECONDS = 0.1
_VIRTUAL_TERMINAL_SECONDS = 0.5

_MENU = re.compile(rb"GNU GRUB")
_EDITOR = re.compile(rb"screen editing")
_TOO_LATE = re.compile(rb"Linux version \d|Loading Linux|EFI stub: |Welcome to (?!GRUB)|login: ")
_BOOTING = re.compile(rb"Booting a command list|Linux version \d|EFI stub: |\[ +\d+\.\d{6}\]|login: ")
EDIT = b"e"
_NEXT_LINE, _END_OF_LINE, _BOOT = b"\x0e", b"\x05", b"\x18"  # GRUB manual, "Edit mode"
_LEAVE, _ENTER = b"\x1b", b"\r"
_LINUX = ("linux", "linuxefi", "linux16")

# QEMU's names of the keys (qapi/ui.json, QKeyCode) on a US keyboard, which is what the kernel starts with.
_KEYS = {
    " ": ("spc",),
    "/": ("slash",),
    "-": ("minus",),
    "'": ("apostrophe",),
    "<": ("shift", "comma"),
    ">": ("shift", "dot"),
    "&": ("shift", "7"),
    "\n": ("ret",),
}
# A session of its own makes the port its controlling terminal, so that it can be interrupted.
_BRING_OVER = f"setsid sh -c 'exec sh -i <>/dev/{_TERMINAL} >&0 2>&1'\n"


@dataclass(frozen=True)
class GrubEntry:
    """`lines_down` is the place of the linux line in the editor, counted from the first line.

    `names_terminal`: the image's systemd-debug-generator takes a terminal's name.
    """

    lines_down: int
    names_terminal: bool
    means: Means = Means.GRUB
    accounts: tuple[Credential, ...] = ()

    @property
    def added_arguments(self) -> str:
        return f"systemd.debug_shell={_TERMINAL}" if self.names_terminal else "systemd.debug_shell"

    @property
    def changes(self) -> str:
        where = f"on /dev/{_TERMINAL}" if self.names_terminal else f"on /dev/tty9, brought to /dev/{_TERMINAL}"
        return (
            f"{self.added_arguments} is at the end of the kernel's command line, the machine has a second serial"
            f" port, and a shell of root's runs {where}"
        )

    def equip(self, spec: MachineSpec) -> MachineSpec:
        return replace(spec, second_serial=True)

    def accompany(self, machine: Machine) -> str | None:
        """Edits the entry that the menu offers first, and boots it."""
        console, scale = machine.console, machine.accelerator.time_scale
        wait = Deadline(_MENU_SECONDS * scale)
        if console.await_boot("menu of GRUB", [_MENU, _TOO_LATE], wait, silence=wait.seconds) == 1:
            return "GRUB showed no menu on the serial line"
        console.send(EDIT)
        if console.expect_within([_EDITOR], _EDITOR_SECONDS * scale) is None:
            # Perhaps it speaks another language, perhaps a password is asked for: on to the menu and out of it.
            console.send(_LEAVE)
            console.expect_within([_EDITOR], _LEAVE_SECONDS * scale)
            console.send(_ENTER)
            return "GRUB did not open its editor"
        console.mark(f"adding {self.added_arguments} to GRUB's entry")
        console.send(keys_to_extend(self.lines_down, self.added_arguments))
        try:
            booting = console.expect_within([_BOOTING], _EDITED_SECONDS * scale)
        except GuestFailed as error:
            # The medium's own entry has not been tried: what GRUB says of this one is no fault of the medium.
            raise HarnessFault(f"GRUB did not take the entry with {self.added_arguments}: {error.cause}") from error
        return None if booting is not None else "GRUB did not boot the entry it was given"

    def open_own_shell(self, machine: Machine, deadline: Deadline) -> Shell | str | None:
        if not self.names_terminal:
            _press(machine, "ctrl", "alt", "f9")
            time.sleep(_VIRTUAL_TERMINAL_SECONDS * machine.accelerator.time_scale)
            for character in _BRING_OVER:
                _press(machine, *_keys_for(character))
        try:
            shell = Shell.open(machine.second_console, deadline)
            command_line = shell.run("cat /proc/cmdline", timeout=_COMMAND_SECONDS).text
        except ConsoleLost as error:
            return f"no shell on the second serial port: {error.cause}"
        if not command_line.endswith(f" {self.added_arguments}"):
            return f"the kernel's command line does not end in {self.added_arguments}"
        return shell


def keys_to_extend(lines_down: int, arguments: str) -> bytes:
    """What is typed in GRUB's editor to add `arguments` at the end of a line, and to boot the entry."""
    return _NEXT_LINE * lines_down + _END_OF_LINE + f" {arguments}".encode() + _BOOT


def place_of_linux_line(grub_cfg: str) -> int | None:
    """How many lines below the first one GRUB's editor shows the linux command of the first entry.

    The editor shows ``setparams``, then all that stands between the entry's braces. A command that goes on
    in further lines counts as its last one. None where the first entry is none that loads Linux.
    """
    body = _first_entry(grub_cfg)
    if body is None:
        return None
    continued = False
    for number, line in enumerate(body.split("\n")):
        words = line.split(maxsplit=1)
        if continued or (words and words[0] in _LINUX):
            if not line.endswith("\\"):
                return number + 1
            continued = True
    return None


def _first_entry(text: str) -> str | None:
    """What stands between the braces of the first menuentry; quotes may hold braces."""
    match = re.search(r"^[ \t]*menuentry\b", text, re.MULTILINE)
    if match is None:
        return None
    begin, depth, quote = 0, 0, ""
    position = match.end()
    while position < len(text):
        character = text[position]
        if quote:
            position += character == "\\" and quote == '"'
            quote = "" if character == quote else quote
        elif character == "\\":
            position += 1
        elif character in "'\"":
            quote = character
        elif character == "{":
            depth += 1
            begin = position + 1 if depth == 1 else begin
        elif character == "}":
            depth -= 1
            if depth == 0:
                return text[begin:position]
        position += 1
    return None


def _keys_for(character: str) -> tuple[str, ...]:
    if character in _KEYS:
        return _KEYS[character]
    return ("shift", character.lower()) if character.isupper() else (character,)


def _press(machine: Machine, *keys: str) -> None:
    machine.qmp("send-key", keys=[{"type": "qcode", "data": key} for key in keys])
    time.sleep(_KEY_PAUSE_SECONDS)
