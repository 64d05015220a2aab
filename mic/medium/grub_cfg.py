"""The stock grub.cfg: text out of values, nothing read or written."""

from __future__ import annotations

from mic.kernel_arguments import KernelArguments
from mic.medium import paths

# The last console is /dev/console: a machine without a screen must not look dead, and one without a serial
# port falls back to the screen (Documentation/admin-guide/serial-console.rst).
CONSOLES = KernelArguments(("console=tty0", "console=ttyS0,115200n8"))
_TIMEOUT_SECONDS = 3


def grub_cfg(title: str, volume_label: str, arguments: KernelArguments) -> str:
    """The menu: one entry, on screen and serial line.

    `volume_label` finds the medium by what it is called, because GRUB's name for its drive differs from
    machine to machine.
    """
    # UEFI firmware already mirrors its console to the serial line; GRUB's own driver would write it twice.
    return f"""\
set default=0
set timeout={_TIMEOUT_SECONDS}
if [ "$grub_platform" = "pc" ]; then
  if serial --unit=0 --speed=115200; then
    terminal_input console serial
    terminal_output console serial
  fi
fi
search --no-floppy --set=root --label {volume_label}
menuentry {_quoted(title)} {{
  linux {paths.KERNEL} {arguments.for_grub}
  initrd {paths.INITRD}
}}
"""


def stub_grub_cfg(volume_label: str) -> str:
    """What a GRUB reads that was loaded from the EFI image: finds the medium and goes on there."""
    return f"""\
search --no-floppy --set=root --label {volume_label}
set prefix=($root){paths.GRUB_CFG.parent}
configfile $prefix/{paths.GRUB_CFG.name}
"""


def _quoted(text: str) -> str:
    """`text` as one word of GRUB's script language (GRUB manual, "Quoting")."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return "'" + printable.replace("'", "'\\''") + "'"
