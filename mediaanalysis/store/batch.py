"""Micro-batching without a timer: send what is waiting when the previous batch returns.

An item that comes alone is sent at once, so nothing waits for company; items that come while a batch is on its way
leave together with the next. The busier, the larger the batches: a round trip and a commit are shared by many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from mediaanalysis.errors import MediaAnalysisError

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Batch(Generic[Item, Outcome]):
    """Gathers the items of many callers; each gets its own outcome, or its own error.

    `flush` gives an outcome for each item, in their order, and all or nothing is done. When it raises an error that
    the same items would raise again, the items are sent one by one, so that only the guilty one fails.
    """

    def __init__(
        self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]], *, max_items: int = 200
    ) -> None:
        self._flush = flush
        self._max_items = max_items
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Outcome:
        """The item's outcome, once its batch returned. A caller that is cancelled before it is sent takes it back."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await future

    async def aclose(self) -> None:
        """Wait until everything that was added has its outcome."""
        if self._sender is not None:
            await self._sender

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._max_items, len(self._waiting)))]
                await self._settle([(item, future) for item, future in batch if not future.done()])
        finally:
            self._sender = None

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        if not batch:
            return
        try:
            outcomes = await self._flush([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is the callers' to handle
            await self._settle_failed(batch, error)
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _settle_failed(self, batch: list[tuple[Item, asyncio.Future[Outcome]]], error: Exception) -> None:
        is_passing = isinstance(error, MediaAnalysisError) and error.retryable
        if len(batch) > 1 and not is_passing:
            for entry in batch:
                await self._settle([entry])
            return
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
