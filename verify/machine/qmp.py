"""QEMU's control channel, for callers that are not asynchronous."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from qemu.qmp import ExecInterruptedError, ExecuteError, QMPClient, QMPError, StateError

from verify.verdict import HarnessFault

_ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class GuestEvent:
    """Something QEMU tells of its own accord.

    `reason` is the event's reason or action; `by_guest` whether the guest caused it; for STOP `reason` is
    QEMU's run state (qapi/run-state.json).
    """

    name: str
    reason: str
    by_guest: bool


class QmpError(HarnessFault):
    """QEMU refused a command, or is not there any more."""


class QmpSession:
    """A QMP connection, served by a thread of its own.

    `connection` is a connected socket; `on_event` is called on that thread and must not block. Raises
    `QmpError` when QEMU does not greet.
    """

    def __init__(self, connection: socket.socket, on_event: Callable[[GuestEvent], None]) -> None:
        self._on_event = on_event
        self._client = QMPClient("machine")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        try:
            self._finish(self._client.connect(connection), "the greeting")
        except QmpError:
            self._stop_thread()
            raise
        self._listening = asyncio.run_coroutine_threadsafe(self._listen(), self._loop)

    def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """What QEMU returns for `command` (qapi/*.json). Raises `QmpError`."""
        return self._finish(self._client.execute(command, dict(arguments or {})), command)

    def close(self) -> None:
        """Ends the connection; QEMU itself goes on."""
        if not self._thread.is_alive():
            return
        self._listening.cancel()
        with contextlib.suppress(QmpError):  # QEMU went first
            self._finish(self._client.disconnect(), "disconnecting")
        self._stop_thread()

    def _finish(self, work: Coroutine[object, object, object], what: str) -> object:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(_ANSWER_SECONDS)
        except ExecuteError as error:
            raise QmpError(f"QEMU refused {what}: {error}") from error
        except (ExecInterruptedError, StateError, EOFError, OSError) as error:
            raise QmpError(f"QEMU is gone, no answer to {what}") from error
        except QMPError as error:
            raise QmpError(f"QMP failed at {what}: {error}") from error
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise QmpError(f"QEMU did not answer {what} within {_ANSWER_SECONDS:.0f} s") from error

    def _stop_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        async for event in self._client.events:
            name = str(event["event"])
            data = event.get("data", {})
            data = data if isinstance(data, dict) else {}
            reason = str(data.get("reason") or data.get("action") or "")
            if name == "STOP":
                reason = await self._run_state()
            self._on_event(GuestEvent(name, reason, data.get("guest") is True))

    async def _run_state(self) -> str:
        try:
            status = await self._client.execute("query-status")
        except QMPError:
            return ""
        return str(status["status"]) if isinstance(status, dict) else ""
