"""--output-image-format: what the original makes of an image, of which mic makes one."""

from __future__ import annotations

from enum import Enum


class OutputFormat(Enum):
    """Formats that users of the original know; only `iso` is made."""

    ISO = "iso"
    VHD = "vhd"
    VHDX = "vhdx"
    QCOW2 = "qcow2"
    RAW = "raw"
