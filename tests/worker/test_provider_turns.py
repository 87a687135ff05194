"""Turns to call a provider, on the database."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from mediaanalysis.errors import StaleJob
from mediaanalysis.store import jobs, provider_turns, workers
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.jobs import Ending, Job, NewJob


@pytest_asyncio.fixture
async def held(db: Pool) -> list[Job]:
    """Ten running jobs."""
    await jobs.enqueue(db, [NewJob("work")] * 10)
    worker = await workers.register(db, ["work"], 10, 20)
    return [each.job for each in await jobs.claim(db, worker, ["work"], 10)]


async def test_no_limit_no_wait(db: Pool, operator: Pool, held: list[Job]) -> None:
    turns = [await provider_turns.take(db, "deepgram", job) for job in held]
    assert None not in turns
    await operator.execute("select ops.set_limit('deepgram', 10, 'provider')")
    assert await provider_turns.take(db, "deepgram", held[0]) is None, "calls that began before count, too"
    assert await provider_turns.take(db, "openai", held[0]) is not None


async def test_a_limit_is_exact_under_competition(db: Pool, operator: Pool, held: list[Job]) -> None:
    await operator.execute("select ops.set_limit('deepgram', 3, 'provider')")
    turns = await asyncio.gather(*(provider_turns.take(db, "deepgram", job) for job in held * 3))
    taken = [turn for turn in turns if turn is not None]
    assert len(taken) == 3
    await provider_turns.give_back(db, taken[:1] * 2)
    assert len([t for t in [await provider_turns.take(db, "deepgram", job) for job in held] if t]) == 1


async def test_turns_of_a_job_that_was_taken_away_are_void(db: Pool, operator: Pool, held: list[Job]) -> None:
    await operator.execute("select ops.set_limit('deepgram', 1, 'provider')")
    lost, other = held[:2]
    assert await provider_turns.take(db, "deepgram", lost)
    assert await provider_turns.take(db, "deepgram", other) is None
    await jobs.settle(db, [Ending(lost.id, lost.fence, "crash")])
    assert await provider_turns.take(db, "deepgram", other)
    assert await db.fetchval("select count(*) from provider_turns") == 1
    with pytest.raises(StaleJob):
        await provider_turns.take(db, "openai", lost)
