"""`sql/provider_turns.sql`: calls of providers under way, counted for their limits."""

from __future__ import annotations

from collections.abc import Sequence

from mediaanalysis.errors import StaleJob
from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.jobs import Job

_SQL = statements.load("provider_turns")


async def take(db: Db, provider: str, job: Job) -> int | None:
    """The number of a turn; None while the provider is at its limit. Raises StaleJob: a job that was taken away may
    spend nothing."""
    turn = int(await db.fetchval(_SQL.take, provider, job.id, job.fence))
    if turn < 0:
        raise StaleJob(f"job {job.id} was taken away from this worker")
    return turn or None


async def give_back(db: Db, turns: Sequence[int]) -> None:
    """Those that are gone already are fine."""
    await db.execute(_SQL.give_back, turns)
