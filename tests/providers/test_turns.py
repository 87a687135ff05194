"""Turns as a process holds them: waited for, given back, and owed while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from mediaanalysis.errors import StaleJob, StoreError
from mediaanalysis.providers import turns
from mediaanalysis.providers.turns import Turns
from mediaanalysis.structs.jobs import Job

JOB = Job(1, 1, "analyze", 1, 5, 0, UUID(int=1), None, datetime(2026, 1, 1, tzinfo=UTC), {})


class Store:
    """Room for one turn; `is_away` makes it fail."""

    def __init__(self) -> None:
        self.free, self.count, self.is_away = True, 0, False

    async def take(self, _provider: str, job: Job) -> int | None:
        if self.is_away:
            raise StoreError("away")
        if job.fence != 1:
            raise StaleJob("gone")
        if not self.free:
            return None
        self.free, self.count = False, self.count + 1
        return self.count

    async def give(self, given: Sequence[int]) -> None:
        if self.is_away:
            raise StoreError("away")
        self.free = self.free or self.count in given


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LOOK_AGAIN_SECONDS", 0.001)


async def test_one_after_the_other() -> None:
    store, order = Store(), []
    held = Turns(store.take, store.give)

    async def call(number: int) -> None:
        async with held.hold("a", JOB):
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*map(call, range(5)))
    assert order[::2] == order[1::2]


async def test_what_could_not_be_given_back_does_not_block_the_same_job() -> None:
    store = Store()
    held = Turns(store.take, store.give)
    async with held.hold("a", JOB):
        store.is_away = True
    assert not store.free
    waiting = asyncio.create_task(held.hold("a", JOB).__aenter__())
    await asyncio.sleep(0)
    store.is_away = False
    async with asyncio.timeout(5):
        await waiting
    assert store.count == 2


async def test_a_call_that_is_cancelled_gives_its_turn_back() -> None:
    store, begun = Store(), asyncio.Event()
    held = Turns(store.take, store.give)

    async def call() -> None:
        async with held.hold("a", JOB):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert store.free


async def test_a_job_that_is_not_held_may_not_call() -> None:
    store = Store()
    lost = Job(1, 2, "analyze", 1, 5, 0, UUID(int=1), None, JOB.deadline_at, {})
    with pytest.raises(StaleJob):
        async with Turns(store.take, store.give).hold("a", lost):
            raise AssertionError
    async with Turns(store.take, store.give).hold("a", None):
        assert store.free
