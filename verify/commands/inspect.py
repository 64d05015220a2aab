"""`mic inspect`: reads a live ISO without booting it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def inspect(
    medium: Annotated[Path, typer.Argument(help="Any ISO, made by mic or not.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="For machines, all that is known.")] = False,
) -> None:
    """Reads a live ISO without booting it: what is on it, and what a live medium must not be.

    Exit code 0, whatever is found; 2 when the file is no ISO.
    """
    from verify.audit import audit_medium
    from verify.audit.text import as_text

    audit = audit_medium(medium)
    sys.stdout.buffer.write(audit.to_json() if as_json else as_text(audit).encode())
    sys.stdout.flush()
