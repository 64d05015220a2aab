"""The place of the linux line in GRUB's editor, counted as GRUB shows it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pexpect
import pytest

from mic.kernel_arguments import KernelArguments
from mic.medium.grub_cfg import grub_cfg
from verify.access.grub_entry import EDIT, GrubEntry, keys_to_extend, place_of_linux_line


def test_place_in_the_stock_grub_cfg_is_below_setparams_and_the_rest_of_the_first_line() -> None:
    # As GRUB 2.06 shows it: setparams, an empty line, then linux.
    assert place_of_linux_line(grub_cfg("Debian {live} 'x'", "LABEL", KernelArguments.parse("a=';' b={c}"))) == 2


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("menuentry 'a' --class x {\n  set gfxpayload=keep\n  insmod gzio\n  linux /k\n  initrd /i\n}", 4),
        ('menuentry "a } \\" {" {\n\tlinuxefi /k\n}', 2),
        ("menuentry a { linux /k\n}", 1),
        ("menuentry a {\n  linux /k one \\\n    two \\\n    three\n  initrd /i\n}", 4),
        ("menuentry a {\n  if true; then { echo; } fi\n  linux /k\n}", 3),
        ("submenu x {\n  menuentry a {\n    linux /k\n  }\n}", 2),
    ],
)
def test_place_of_other_entries(entry: str, place: int) -> None:
    assert place_of_linux_line(f"set timeout=3\n{entry}\n") == place


@pytest.mark.parametrize("text", ["", "linux /k\ninitrd /i\n", "menuentry a {\n  chainloader +1\n}", "menuentry 'a {"])
def test_entry_without_linux_has_no_place(text: str) -> None:
    assert place_of_linux_line(text) is None


def test_argument_names_the_terminal_where_the_image_can_take_it() -> None:
    assert GrubEntry(2, names_terminal=True).added_arguments == "systemd.debug_shell=ttyS1"
    assert GrubEntry(2, names_terminal=False).added_arguments == "systemd.debug_shell"


@pytest.mark.parametrize(
    "body",
    [
        "\n  linux /k 'one' two\n  initrd /i\n",
        f"\n  set a=b\n\n  linux /k {'long ' * 300}\n  initrd /i\n",
        "\n  linux /k one \\\n    two\n  initrd /i\n",
    ],
)
def test_grubs_own_editor_adds_the_argument_at_the_end_of_the_line(body: str, tmp_path: Path) -> None:
    """grub-emu is GRUB; `linux` is a function that prints its last arguments, since nothing can be booted."""
    text = f"menuentry 'live {{x}}' {{{body}}}\n"
    printing = 'function linux {\n  for word in "$@"; do\n    last="$before"\n    before="$word"\n  done\n'
    # On an empty screen: curses does not write again what happens to stand there already.
    printing += '  clear\n  sleep 1\n  echo "<$last|$before|$#>"\n  sleep 1\n  exit\n}\nfunction initrd {\n  true\n}'
    (tmp_path / "grub.cfg").write_text(f"set pager=0\nset timeout=60\n{printing}\n{text}")
    place = place_of_linux_line(text)
    assert place is not None
    words = body.replace("\\\n", " ").split("\n  initrd")[0].split("linux ")[1].replace("'", "").split()
    with pexpect.spawn(f"grub-emu -d {shlex.quote(str(tmp_path))}", timeout=20, dimensions=(25, 80)) as grub:
        grub.expect(b"GNU GRUB")
        grub.send(EDIT)
        grub.expect(b"screen editing")
        grub.send(keys_to_extend(place, "systemd.debug_shell=ttyS1"))
        grub.expect(f"<{words[-1]}\\|systemd.debug_shell=ttyS1\\|{len(words) + 1}>".encode())
