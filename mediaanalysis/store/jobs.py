"""`sql/jobs.sql`: the life of a job. Every function is one statement; what is fenced says what was accepted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from msgspec import Struct, to_builtins

from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.jobs import Ending, Job, NewJob

_SQL = statements.load("jobs")


class Lane(NamedTuple):
    """Where jobs wait in line; order of tuples is the order in which lanes take turns."""

    owner_id: UUID
    kind: str


FIRST_LANE = Lane(UUID(int=0), "")


class Claimed(NamedTuple):
    """A claimed job, and what only the claimer needs: the place it had in line, and when it was due."""

    job: Job
    sort_key: datetime
    run_at: datetime

    @property
    def lane(self) -> Lane:
        return Lane(self.job.owner_id, self.job.kind)


class Abandoned(Struct, frozen=True):
    """A running job that nobody drives. `lost`: its worker is gone; else its deadline passed."""

    id: int
    fence: int
    kind: str
    request_id: UUID | None
    attempt: int
    max_attempts: int
    crashes: int
    lost: bool


class Place(Struct, frozen=True):
    """`ahead`: jobs of the same owner before it (1000: or more). `estimated_seconds` until it is done, where known."""

    ahead: int
    estimated_seconds: float | None


async def enqueue(db: Db, jobs: Sequence[NewJob]) -> list[int]:
    """Ids of the new jobs, in no particular order. Wakes an idle worker. All or none."""
    columns = zip(*(_row(job) for job in jobs), strict=True)
    return [row["id"] for row in await db.fetch(_SQL.enqueue, *map(list, columns))] if jobs else []


async def claim(
    db: Db,
    worker_id: int,
    kinds: Sequence[str],
    free: int,
    *,
    served: Lane = FIRST_LANE,
    floors: Iterable[tuple[Lane, datetime]] = (),
) -> list[Claimed]:
    """Up to `free` due jobs, now running for this worker: one round trip.

    Lanes take turns after `served`, the lane that was served last. With `floors` only these lanes are looked at, and
    none below its sort key: what vacuum may not remove yet is not read again.
    """
    known = [(*lane, floor) for lane, floor in floors]
    return [_claimed(row) for row in await db.fetch(_SQL.claim, worker_id, kinds, free, (*served, None), known)]


async def complete(db: Db, done: Sequence[tuple[int, int]]) -> set[int]:
    """Remove jobs that are done, given as (id, fence). Ids accepted: the others are no longer ours, or cancelled."""
    ids, fences = zip(*done, strict=True)
    return {row["id"] for row in await db.fetch(_SQL.complete, ids, fences)}


async def settle(db: Db, endings: Sequence[Ending]) -> set[int]:
    """Record how attempts ended, analyses following their jobs. Ids accepted: the others are no longer ours."""
    return {row["id"] for row in await db.fetch(_SQL.settle, to_builtins(endings))}


async def extend_deadline(db: Db, job_id: int, fence: int) -> bool:
    """Whether the job is still ours to run."""
    return await db.fetchval(_SQL.extend_deadline, job_id, fence) is not None


async def find_abandoned(db: Db) -> list[Abandoned]:
    return [Abandoned(**row) for row in await db.fetch(_SQL.find_abandoned)]


async def read_place(db: Db, analysis_id: UUID) -> Place | None:
    """Where a waiting analysis stands in line; None where it does not wait."""
    row = await db.fetchrow(_SQL.read_place, analysis_id)
    return Place(*row) if row else None


def _row(job: NewJob) -> tuple[object, ...]:
    return (
        job.kind,
        job.request_id,
        job.owner_id,
        job.priority,
        job.delay_seconds,
        job.timeout_seconds,
        job.payload,
    )


def _claimed(row: asyncpg.Record) -> Claimed:
    return Claimed(Job(*row[:-2]), row[-2], row[-1])
