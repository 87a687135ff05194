"""Keeping the worker's coroutines running: one that raises, ends or stalls is started again, and can be seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from mediaanalysis import log
from mediaanalysis.errors import StoreError

ANSWER_SECONDS = 5.0
"""Time for the database to answer one of the worker's statements, which take milliseconds."""
STALL_SECONDS = 30.0
TICK_SECONDS = 1.0
PAUSE_SECONDS = 0.5

_log = log.get("worker")


class Watch:
    """What a kept coroutine says about itself: `busy` before it asks something of the world, `idle` after."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.restarts = 0
        self.fault: str | None = None
        self._busy_since: float | None = None

    def busy(self) -> None:
        self._busy_since = time.monotonic()

    def idle(self) -> None:
        """It went well: an earlier fault is over."""
        self._busy_since = None
        self.fault = None

    @property
    def stalled(self) -> bool:
        return self._busy_since is not None and time.monotonic() - self._busy_since > STALL_SECONDS

    async def keep(self, body: Callable[[Watch], Awaitable[None]]) -> None:
        """Run `body` until cancelled, again and again."""
        while True:
            await self._run_once(body)
            self.restarts += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _run_once(self, body: Callable[[Watch], Awaitable[None]]) -> None:
        self._busy_since = None
        task = asyncio.ensure_future(body(self))
        try:
            while not task.done() and not self.stalled:
                await asyncio.wait({task}, timeout=TICK_SECONDS)
        finally:
            task.cancel()
            await asyncio.wait({task})
        self._record(task)

    def _record(self, task: asyncio.Future[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self.fault = "stalled" if task.cancelled() else str(error or "ended")
        if isinstance(error, StoreError) and error.retryable:
            _log.warning("worker_part_failed", part=self.name, error=error.detail)
        else:
            _log.error("worker_part_failed", part=self.name, error=self.fault, exc_info=error)
