"""The header of an x86 kernel (Documentation/arch/x86/boot.rst of the kernel, "The Real-Mode Kernel Header")."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SETUP_SECTS, _SYSSIZE, _MAGIC_AT, _VERSION_POINTER = 0x1F1, 0x1F4, 0x202, 0x20E
_MAGIC = b"HdrS"
_VERSION_BASE = 0x200
_LONGEST_VERSION = 256
_SECTOR_BYTES, _PARAGRAPH_BYTES = 512, 16
# What 0 in setup_sects means.
_DEFAULT_SETUP_SECTS = 4


@dataclass(frozen=True)
class KernelHeader:
    """`version` is what uname -r says, None where the header does not tell; `needed` the least size in bytes."""

    version: str | None
    needed: int


def read_kernel_header(image: bytes) -> KernelHeader | None:
    """The header of a bzImage; None where `image` is none."""
    if len(image) < _VERSION_POINTER + 2 or image[_MAGIC_AT : _MAGIC_AT + 4] != _MAGIC:
        return None
    sectors = image[_SETUP_SECTS] or _DEFAULT_SETUP_SECTS
    (paragraphs,) = struct.unpack("<I", image[_SYSSIZE : _SYSSIZE + 4])
    (pointer,) = struct.unpack("<H", image[_VERSION_POINTER : _VERSION_POINTER + 2])
    version = None
    if pointer:
        text = image[pointer + _VERSION_BASE : pointer + _VERSION_BASE + _LONGEST_VERSION].partition(b"\0")[0]
        words = text.decode("ascii", errors="replace").split()
        version = words[0] if words else None
    return KernelHeader(version, (sectors + 1) * _SECTOR_BYTES + paragraphs * _PARAGRAPH_BYTES)
