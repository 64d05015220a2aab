"""--log-level: how much of the work is told on standard error."""

from __future__ import annotations

import logging
import sys
from enum import Enum


class LogLevel(Enum):
    """Names of the levels, as the original's --log-level takes them; each tells what those before it tell, and more."""

    PANIC = "panic"
    FATAL = "fatal"
    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"
    TRACE = "trace"

    @property
    def threshold(self) -> int:
        """The least level of `logging` that is told. Nothing here is told by `trace` alone."""
        return _THRESHOLDS[self]

    def start(self) -> None:
        """Sends the log of the program to standard error from now on."""
        logging.basicConfig(level=self.threshold, format="%(levelname)s %(message)s", stream=sys.stderr)


_THRESHOLDS = {
    LogLevel.PANIC: logging.CRITICAL,
    LogLevel.FATAL: logging.CRITICAL,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARN: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.TRACE: logging.DEBUG,
}
