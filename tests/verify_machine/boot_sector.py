"""Guests of 512 bytes: boot sectors that say something on the serial port and then do one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_LOADED_AT = 0x7C00
_PACKET_AT = 0x1E0


class Deed(Enum):
    """What the guest does after its words, in 16-bit machine code."""

    HANG = bytes.fromhex("fa f4 eb fd")  # cli; hlt; jmp to hlt
    SPIN = bytes.fromhex("eb fe")  # jmp to itself
    RESET = bytes.fromhex("b0 fe e6 64 eb fe")  # mov al,0xfe; out 0x64,al: the keyboard controller's reset
    # mov dx,0x604; mov ax,0x2000; out dx,ax: SLP_EN in PM1a_CNT, where SeaBIOS puts it on q35
    POWER_OFF = bytes.fromhex("ba 04 06 b8 00 20 ef eb fe")
    # mov dl,0x80; xor ax,ax; mov ds,ax; mov si,packet; mov ax,0x4300; int 0x13; hlt: writes its own sector
    # to the sector 1 of the first disk (INT 13h extensions)
    WRITE = bytes.fromhex("b2 80 31 c0 8e d8 be e0 7d b8 00 43 cd 13 fa f4 eb fd")
    # mov dx,0x3fd; in al,dx; test al,1; jz back; mov dx,0x3f8; in al,dx; out dx,al; jmp to the start
    ECHO = bytes.fromhex("ba fd 03 ec a8 01 74 fb ba f8 03 ec ee eb f1")
    ECHO_ON_COM2 = bytes.fromhex("ba fd 02 ec a8 01 74 fb ba f8 02 ec ee eb f1")


@dataclass(frozen=True)
class BootSector:
    """Says `words` on COM1, then does its deed."""

    words: bytes
    deed: Deed = Deed.HANG

    def write_to(self, path: Path, size: int = 1 << 20) -> Path:
        """Makes a disk of `size` bytes that starts with this sector."""
        path.write_bytes(self._code().ljust(size, b"\0"))
        return path

    def _code(self) -> bytes:
        # cld; xor ax,ax; mov ds,ax; mov si,words; lodsb; test al,al; jz +6; mov dx,0x3f8; out dx,al; jmp
        begin = bytes.fromhex("fc 31 c0 8e d8 be")
        say = bytes.fromhex("ac 84 c0 74 06 ba f8 03 ee eb f5")
        words_at = _LOADED_AT + len(begin) + 2 + len(say) + len(self.deed.value)
        code = begin + words_at.to_bytes(2, "little") + say + self.deed.value + self.words + b"\0"
        assert len(code) <= _PACKET_AT, "the guest is too big for a sector"
        # The packet for Deed.WRITE: one sector from 0000:7c00 to sector 1.
        packet = bytes.fromhex("10 00 01 00 00 7c 00 00 01 00 00 00 00 00 00 00")
        return (code.ljust(_PACKET_AT, b"\0") + packet).ljust(510, b"\0") + b"\x55\xaa"
