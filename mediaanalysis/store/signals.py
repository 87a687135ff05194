"""What PostgreSQL says by itself: one LISTEN connection for a process, which heals.

A notification is a hint and may be lost: while the connection is away nothing is heard, so whoever relies on one must
look by himself from time to time, and does so at once when `on_connect` says that the connection is (again) there.
The connection is also the process's presence: session locks taken on it fall when the process does.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from mediaanalysis import log
from mediaanalysis.errors import StoreError
from mediaanalysis.store.pool import Connection, Database

JOBS = "mediaanalysis_jobs"
"""Work is due, and some worker waits for it. No payload."""
CHANGED = "mediaanalysis_changed"
"""An analysis changed. Payload: its id."""
CANCEL = "mediaanalysis_cancel"
"""A running job is to be stopped. Payload: job id, blank, fence."""
KEYS = "mediaanalysis_keys"
"""API keys changed. No payload."""

Listener = Callable[[str], None]
Greeter = Callable[[Connection], Awaitable[None]]

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_PROBE_SECONDS = 10.0
_PROBE_TIMEOUT_SECONDS = 5.0

_log = log.get("signals")


class Signals:
    """Leaving its `async with` closes the connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[str, list[Listener]] = {JOBS: [], CHANGED: [], CANCEL: [], KEYS: []}
        self._greeters: list[Greeter] = []
        self._connection: Connection | None = None
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, database: Database) -> Signals:
        """Raises StoreError where the first connection cannot be made; later ones are tried for ever."""
        signals = cls(database)
        await signals._connect()
        signals._keeper = asyncio.create_task(signals._keep())
        return signals

    async def aclose(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await self._disconnect()

    async def __aenter__(self) -> Signals:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def alive(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    @property
    def connection(self) -> Connection:
        """The connection, for session locks and the statements around them. Raises StoreError while it is away."""
        if self._connection is None or self._connection.is_closed():
            raise StoreError("the connection for notifications is away")
        return self._connection

    def subscribe(self, channel: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the payload of each notification. The returned function ends that."""
        self._listeners[channel].append(listener)
        return lambda: self._listeners[channel].remove(listener)

    async def on_connect(self, greeter: Greeter) -> None:
        """Call `greeter` with the connection, now and whenever it is a new one: locks are gone, hints were missed."""
        self._greeters.append(greeter)
        await greeter(self.connection)

    async def _keep(self) -> None:
        while True:
            await self._watch()
            _log.warning("signals_lost")
            self._database.health.hears(False)
            await self._disconnect()
            await self._reconnect()
            self._database.health.hears(True)
            _log.info("signals_restored")

    async def _watch(self) -> None:
        """Returns when the connection is gone: it said so, or no longer answers (half-open)."""
        while self.alive:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self._lost.wait()
                    return
            try:
                await self.connection.execute("select", timeout=_PROBE_TIMEOUT_SECONDS)
            except StoreError:
                return

    async def _reconnect(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._connect()
            except StoreError:
                await asyncio.sleep(pause_seconds * random.uniform(0.5, 1))  # noqa: S311
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            else:
                return

    async def _connect(self) -> None:
        connection = self._connection = await self._database.connect()
        lost = self._lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            for channel in self._listeners:
                await connection.add_listener(channel, self._hear)
            for greeter in self._greeters:
                await greeter(connection)
        except BaseException:
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()

    def _hear(self, _connection: Any, _pid: int, channel: str, payload: str) -> None:
        for listener in tuple(self._listeners[channel]):
            listener(payload)
