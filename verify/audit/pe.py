"""Whether a file is a program that x86-64 UEFI firmware starts.

Source: the PE format (Microsoft), "COFF File Header", "Optional Header", "Section Table"; UEFI specification 2.10,
2.1.1.
"""

from __future__ import annotations

import struct

_MACHINES = {0x014C: "i386", 0x8664: "x86-64", 0xAA64: "aarch64", 0x01C4: "arm", 0x5064: "riscv64"}
_X86_64 = "x86-64"
_PE32_PLUS = 0x20B
_EFI_APPLICATION = 10
_SECTION_BYTES = 40


def machine_of(data: bytes) -> str | None:
    """The processor that the PE header names; None where there is no such header."""
    header = _header_at(data)
    if header is None:
        return None
    (machine,) = struct.unpack("<H", data[header + 4 : header + 6])
    return _MACHINES.get(machine, f"0x{machine:04x}")


def problem_of_program(data: bytes) -> str:
    """Why firmware cannot start this, as the end of a sentence; empty where it can."""
    header = _header_at(data)
    if header is None:
        return "is no PE program"
    if (machine := machine_of(data)) != _X86_64:
        return f"is a program for {machine}, not for {_X86_64}"
    sections, optional_bytes = struct.unpack("<6xH12xH", data[header : header + 22])
    optional = data[header + 24 : header + 24 + optional_bytes]
    if len(optional) < 70 or optional[:2] != _PE32_PLUS.to_bytes(2, "little"):
        return "is no 64-bit PE program"
    (subsystem,) = struct.unpack("<H", optional[68:70])
    if subsystem != _EFI_APPLICATION:
        return f"is no EFI application (subsystem {subsystem})"
    return _problem_of_sections(data, header + 24 + optional_bytes, sections)


def _problem_of_sections(data: bytes, table: int, sections: int) -> str:
    for number in range(sections):
        section = data[table + number * _SECTION_BYTES : table + (number + 1) * _SECTION_BYTES]
        if len(section) < _SECTION_BYTES:
            return "is cut short"
        size, offset = struct.unpack("<II", section[16:24])
        if size and offset + size > len(data):
            return f"is cut short: {len(data)} bytes, a section ends at {offset + size}"
    return ""


def _header_at(data: bytes) -> int | None:
    if len(data) < 64 or data[:2] != b"MZ":
        return None
    (header,) = struct.unpack("<I", data[60:64])
    if header + 24 > len(data) or data[header : header + 4] != b"PE\0\0":
        return None
    return int(header)
