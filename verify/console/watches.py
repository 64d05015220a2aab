"""Descriptors besides the serial line that can tell of a guest's end."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verify.machine.failure import Ending


@dataclass(frozen=True)
class Watch:
    """A descriptor besides the serial line; when it is readable, `on_readable` may tell of an end.

    `on_readable` runs on the console's thread and must not block. A watch is dropped after it told of an
    end, or raised EOFError.
    """

    descriptor: int
    on_readable: Callable[[], Ending | None]


class Watches:
    """All watches of a console."""

    def __init__(self, watches: Sequence[Watch], selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._watches = {watch.descriptor: watch for watch in watches}
        for descriptor in self._watches:
            selector.register(descriptor, selectors.EVENT_READ)

    def serve(self) -> list[Ending]:
        """Lets every watch that is readable now do its work; returns the ends they tell of."""
        endings = []
        for descriptor in {key.fd for key, _ in self._selector.select(0)} & self._watches.keys():
            try:
                ending = self._watches[descriptor].on_readable()
            except EOFError:
                self._selector.unregister(descriptor)
                continue
            if ending is not None:
                self._selector.unregister(descriptor)
                endings.append(ending)
        return endings
