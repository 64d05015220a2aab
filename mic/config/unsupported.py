"""What the contract knows and `mic build` cannot carry out yet. The table shrinks as the work goes on."""

from __future__ import annotations

# The key, what it becomes in the Config (a key that asks for nothing there is let through), and the reason.
UNSUPPORTED: tuple[tuple[str, str, str], ...] = ()
