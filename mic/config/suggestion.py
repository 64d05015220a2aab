"""What a misspelt key or value was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CLOSE = 0.7
_LONGEST = 40


def near(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was meant to be, or None where none is close."""
    if len(word) > _LONGEST:
        return None
    by_folded = {candidate.casefold(): candidate for candidate in known}
    folded = word.casefold().replace("_", "").replace("-", "")
    close = difflib.get_close_matches(folded, by_folded, n=1, cutoff=_CLOSE)
    return by_folded[close[0]] if close else None
