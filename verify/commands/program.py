"""A program of its own beside `mic verify`: how its errors reach the caller."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from mic.errors import USAGE_EXIT_CODE, UserError


def run_program(name: str, command: Callable[..., None]) -> None:
    """Runs `command` with the process's arguments; ends with exit code 2 for what the caller can mend."""
    try:
        typer.run(command)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(USAGE_EXIT_CODE)
