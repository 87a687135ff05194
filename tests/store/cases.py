"""What tests of the store begin with: requests, and analyses in a state."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec

from mediaanalysis.store import analyses
from mediaanalysis.store.analyses import SERVICE, Author, NewAnalysis, Outcome, Unwanted
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.jobs import Job

OWNER = UUID(int=7)
HASH = "ab" * 32


def request(**changes: Any) -> NewAnalysis:
    """A plain request for a URL."""
    plain = NewAnalysis(
        id=uuid4(),
        correlation_id=uuid4(),
        owner_id=OWNER,
        prompt="What is said?",
        prompt_hash=HASH,
        media_url="https://example.org/talk.mp4",
        metadata={"case": 7},
    )
    return msgspec.structs.replace(plain, **changes)


async def accepted(db: Pool, **changes: Any) -> UUID:
    """An analysis that was accepted."""
    new = request(**changes)
    [outcome] = await analyses.accept(db, [new])
    assert outcome.analysis_id == new.id
    return new.id


async def claimed(db: Pool, analysis_id: UUID) -> Job:
    """Its job, as a worker holds it."""
    record = await db.fetchrow(
        """update processing_jobs set state = 'running', fence = fence + 1, attempt = attempt + 1, worker_id = 1,
                  started_at = now(), deadline_at = now() + interval '1 hour'
            where request_id = $1
        returning id, fence, kind, attempt, max_attempts, crashes, owner_id, request_id, deadline_at, payload""",
        analysis_id,
    )
    assert record is not None
    return msgspec.convert(dict(record), Job)


async def ended(db: Pool, analysis_id: UUID, status: str) -> None:
    """An analysis and its job after the worker wrote that outcome."""
    await db.execute("delete from processing_jobs where request_id = $1", analysis_id)
    await db.execute(
        """update media_analysis_requests
              set status = $2, progress = $3, error_code = $4, completed_at = now()
            where id = $1""",
        analysis_id,
        status,
        100 if status == "completed" else 40,
        "stage_failed" if status == "failed" else None,
    )


async def blocked(db: Pool) -> None:
    """Returns once a statement in this database waits for a lock."""
    waiting = (
        "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"
    )
    while not await db.fetchval(waiting):
        pass


async def delete(db: Pool, analysis_id: UUID, owner_id: UUID, author: Author = SERVICE) -> Outcome | None:
    """Alone, as the other changes are made."""
    [outcome] = await analyses.delete(db, [Unwanted(analysis_id, owner_id, author)])
    return outcome
