"""Whose turn it is to call a provider that takes only so many calls at once, over all workers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from mediaanalysis import log
from mediaanalysis.errors import MediaAnalysisError, StoreError
from mediaanalysis.structs.jobs import Job

Take = Callable[[str, Job], Awaitable[int | None]]
"""The number of a turn; None: the provider is at its limit. Raises StaleJob where the job is no longer held."""
Give = Callable[[Sequence[int]], Awaitable[None]]
"""These turns are over."""

LOOK_AGAIN_SECONDS = 0.25
GIVE_BACK_SECONDS = 1.0

_log = log.get("providers")


async def _take_freely(_provider: str, _job: Job) -> int | None:
    return 0


async def _give_nothing(_turns: Sequence[int]) -> None:
    pass


class Turns:
    """A turn belongs to a job: when the job ends or is taken away its turns are over, so none leaks."""

    def __init__(self, take: Take = _take_freely, give: Give = _give_nothing) -> None:
        self._take = take
        self._give = give
        self._owed: set[int] = set()

    @asynccontextmanager
    async def hold(self, provider: str, job: Job | None) -> AsyncIterator[None]:
        """Inside it is our turn. Waits while the provider is at its limit or the database away; raises StaleJob.

        No job, no limit: an operator's trial.
        """
        if job is None:
            yield
            return
        turn = await self._wait(provider, job)
        try:
            yield
        finally:
            self._owed.add(turn)
            await self._give_back()

    async def _wait(self, provider: str, job: Job) -> int:
        while True:
            try:
                if (turn := await self._take(provider, job)) is not None:
                    return turn
            except StoreError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(LOOK_AGAIN_SECONDS * (1 + random.random()))  # noqa: S311 - to spread those who wait
            await self._give_back()

    async def _give_back(self) -> None:
        """What cannot be given back now is owed: it must not stand in the way of the same job's next call."""
        owed = list(self._owed)
        if not owed:
            return
        try:
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                await self._give(owed)
            self._owed.difference_update(owed)
        except (MediaAnalysisError, TimeoutError) as error:
            _log.warning("turns_not_given_back", turns=len(owed), error=str(error))
