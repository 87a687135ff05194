"""An analysis from its first progress to its end, and what clients may do to it on the way."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from mediaanalysis.store import analyses, audit, jobs, operations
from mediaanalysis.store.analyses import Author, Outcome, Unwanted
from mediaanalysis.store.jobs import Place
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.store.signals import CANCEL, CHANGED, Signals
from mediaanalysis.structs.jobs import Job
from mediaanalysis.structs.media import Notice
from mediaanalysis.structs.requests import AnalysisStatus, MediaType
from tests.store.cases import OWNER, accepted, blocked, claimed, delete, ended

CHANGES = (analyses.cancel, delete, analyses.retry)


async def status(db: Pool, analysis_id: UUID) -> analyses.Status:
    [found] = await analyses.read_statuses(db, [(analysis_id, OWNER)])
    assert found is not None
    return found


async def test_those_who_ask_together_get_each_their_own(db: Pool) -> None:
    first, second, other = await accepted(db), await accepted(db), uuid4()
    asked = [(second, OWNER), (other, OWNER), (first, OWNER), (first, other), (second, OWNER)]
    found = await analyses.read_statuses(db, asked)
    assert [each and each.id for each in found] == [second, None, first, None, second]


async def test_progress_starts_it_and_never_falls(db: Pool) -> None:
    analysis_id = await accepted(db)
    job = await claimed(db, analysis_id)
    assert await analyses.advance(db, analysis_id, job, "fetch", 30)
    assert await analyses.advance(db, analysis_id, job, "probe", 20, MediaType.VIDEO)
    now = await status(db, analysis_id)
    assert (now.status, now.progress, now.stage, now.media_type) == (AnalysisStatus.PROCESSING, 30, "probe", "video")
    assert now.started_at is not None
    deadline = await db.fetchval("select deadline_at from processing_jobs")
    assert deadline >= job.deadline_at


async def test_stale_worker_changes_nothing(db: Pool) -> None:
    analysis_id = await accepted(db)
    job = await claimed(db, analysis_id)
    stale = msgspec.structs.replace(job, fence=job.fence - 1)
    assert not await analyses.advance(db, analysis_id, stale, "fetch", 30)
    assert not await analyses.advance(db, uuid4(), job, "fetch", 30)
    assert (await status(db, analysis_id)).progress == 0


async def test_completed_is_whole(db: Pool) -> None:
    analysis_id = await accepted(db)
    await analyses.advance(db, analysis_id, await claimed(db, analysis_id), "answer", 90)
    summary = {"summary": "A talk.", "topics": ["talk"]}
    notice = Notice("no_speech", "Nothing was said.", "transcribe")
    assert await analyses.complete(db, analysis_id, summary=summary, model="m", warnings=[notice])
    done = await analyses.read_analysis(db, analysis_id, OWNER)
    assert done is not None
    assert (done.status, done.progress, done.result_summary, done.warnings) == ("completed", 100, summary, (notice,))
    assert done.latency_ms is not None
    assert done.completed_at is not None
    assert await analyses.read_work(db, analysis_id) is None
    assert not await analyses.complete(db, analysis_id, summary=summary, model="m", warnings=[])


@pytest.mark.parametrize("change", CHANGES)
async def test_analysis_of_another_owner_is_not_there(db: Pool, change: object) -> None:
    analysis_id = await accepted(db)
    assert await change(db, analysis_id, uuid4()) is None  # type: ignore[operator]
    assert await analyses.read_statuses(db, [(analysis_id, uuid4())]) == [None]
    assert (await status(db, analysis_id)).status == "pending"
    assert await db.fetchval("select count(*) from processing_jobs") == 1


async def test_queued_analysis_is_cancelled_at_once(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    assert await analyses.cancel(db, analysis_id, OWNER, Author("key:x", "192.0.2.1")) is Outcome.CANCELLED
    assert (await status(db, analysis_id)).status == "cancelled"
    assert await db.fetchval("select count(*) from processing_jobs") == 0
    assert await analyses.cancel(db, analysis_id, OWNER) is Outcome.WRONG_STATE
    change = (await audit.list_record(operator, analysis_id))[-1]
    assert (change.action, change.performed_by, change.ip_address) == ("update", "key:x", "192.0.2.1")


async def test_running_analysis_is_cancelled_by_its_worker(database: Database) -> None:
    analysis_id = await accepted(database.pool)
    job = await claimed(database.pool, analysis_id)
    async with await Signals.open(database) as signals:
        heard = asyncio.Queue[str]()
        signals.subscribe(CANCEL, heard.put_nowait)
        assert await analyses.cancel(database.pool, analysis_id, OWNER) is Outcome.CANCELLING
        assert await heard.get() == f"{job.id} {job.fence}"
    assert (await status(database.pool, analysis_id)).status == "pending"
    assert await database.pool.fetchval("select cancel_requested_at is not null from processing_jobs")


async def test_cancel_that_meets_the_end_of_the_work_comes_too_late(database: Database) -> None:
    """The worker holds the job's lock while it writes the result; the cancel waits, and sees what became of it."""
    analysis_id = await accepted(database.pool)
    await claimed(database.pool, analysis_id)
    async with database.transaction() as worker:
        await worker.execute("delete from processing_jobs where request_id = $1", analysis_id)
        cancelling = asyncio.create_task(analyses.cancel(database.pool, analysis_id, OWNER))
        await blocked(database.pool)
        await analyses.complete(worker, analysis_id, summary={}, model="m", warnings=[])
    assert await cancelling is Outcome.WRONG_STATE
    assert (await status(database.pool, analysis_id)).status == "completed"


@pytest.mark.parametrize(("change", "outcome"), [(analyses.cancel, "cancelling"), (delete, "deleted")])
async def test_a_stop_that_meets_the_claim_is_told_to_the_worker(database: Database, change: Any, outcome: str) -> None:
    analysis_id = await accepted(database.pool)
    async with database.transaction() as worker:
        await worker.execute(
            """update processing_jobs set state = 'running', fence = 1, worker_id = 1, started_at = now(),
                                          deadline_at = now() + interval '1 hour'"""
        )
        stopping = asyncio.create_task(change(database.pool, analysis_id, OWNER))
        await blocked(database.pool)
    assert await stopping == outcome
    assert await database.pool.fetchval("select cancel_requested_at is not null from processing_jobs")


@pytest.mark.parametrize(("change", "outcome"), [(analyses.cancel, "cancelled"), (delete, "deleted")])
async def test_a_stop_that_meets_a_retry_takes_its_job_too(database: Database, change: Any, outcome: str) -> None:
    analysis_id = await accepted(database.pool)
    await ended(database.pool, analysis_id, "failed")
    async with database.transaction() as client:
        await analyses.retry(client, analysis_id, OWNER)
        stopping = asyncio.create_task(change(database.pool, analysis_id, OWNER))
        await blocked(database.pool)
    assert await stopping == outcome
    assert await database.pool.fetchval("select count(*) from processing_jobs") == 0


async def test_an_analysis_without_a_job_is_cancelled_too(db: Pool) -> None:
    """An operator may have taken the job away."""
    analysis_id = await accepted(db)
    await db.execute("delete from processing_jobs")
    assert await analyses.cancel(db, analysis_id, OWNER) is Outcome.CANCELLED


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_ended_analysis_runs_again(db: Pool, state: str) -> None:
    analysis_id = await accepted(db, priority=9)
    await ended(db, analysis_id, state)
    assert await analyses.retry(db, analysis_id, OWNER) is Outcome.RETRIED
    now = await status(db, analysis_id)
    assert (now.status, now.retry_count, now.progress, now.error_code, now.completed_at) == (
        "pending",
        1,
        0,
        None,
        None,
    )
    assert await db.fetchval("select priority from processing_jobs where request_id = $1", analysis_id) == 9
    assert await analyses.retry(db, analysis_id, OWNER) is Outcome.WRONG_STATE


async def test_retries_are_counted(db: Pool) -> None:
    analysis_id = await accepted(db)
    await ended(db, analysis_id, "failed")
    await db.execute("update media_analysis_requests set retry_count = 10")
    assert await analyses.retry(db, analysis_id, OWNER) is Outcome.EXHAUSTED


async def test_two_retries_at_once_enqueue_one_job(db: Pool) -> None:
    analysis_id = await accepted(db)
    await ended(db, analysis_id, "failed")
    answers = await asyncio.gather(*(analyses.retry(db, analysis_id, OWNER) for _ in range(8)))
    assert answers.count(Outcome.RETRIED) == 1
    assert await db.fetchval("select count(*) from processing_jobs") == 1


async def test_deletions_that_come_together_are_each_for_itself(db: Pool, operator: Pool) -> None:
    """Another owner's stays, one that is gone is told so, and each is its own author's."""
    first, second, gone, kept = [await accepted(db) for _ in range(4)]
    await delete(db, gone, OWNER)
    unwanted = [
        Unwanted(second, OWNER, Author("alice", "192.0.2.1")),
        Unwanted(kept, uuid4(), Author("mallory")),
        Unwanted(gone, OWNER),
        Unwanted(first, OWNER, Author("bob", "192.0.2.2")),
    ]
    deleted = Outcome.DELETED
    assert await analyses.delete(db, unwanted) == [deleted, None, Outcome.GONE, deleted]
    assert (await status(db, kept)).status == "pending"
    assert await db.fetch("select request_id as id from processing_jobs") == [(kept,)]
    by = "select performed_by, host(ip_address) from audit_log where record_id = $1 and action = 'update'"
    assert await operator.fetch(by, first) == [("bob", "192.0.2.2")]
    assert await operator.fetch(by, second) == [("alice", "192.0.2.1")]


async def test_a_deletion_that_is_asked_twice_at_once_is_made_once(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    assert await analyses.delete(db, [Unwanted(analysis_id, OWNER)] * 2) == [Outcome.DELETED] * 2
    changes = "select count(*) from audit_log where record_id = $1 and action = 'update'"
    assert await operator.fetchval(changes, analysis_id) == 1


@pytest.mark.parametrize("running", [True, False])
async def test_deleted_analysis_is_hidden_and_its_work_ends(db: Pool, running: bool) -> None:
    analysis_id = await accepted(db)
    job: Job | None = await claimed(db, analysis_id) if running else None
    assert await delete(db, analysis_id, OWNER) is Outcome.DELETED
    assert await delete(db, analysis_id, OWNER) is Outcome.GONE
    assert (await status(db, analysis_id)).status == "deleted"
    assert await analyses.cancel(db, analysis_id, OWNER) is None
    assert await analyses.retry(db, analysis_id, OWNER) is None
    stopping = await db.fetch("select cancel_requested_at is not null as asked from processing_jobs")
    assert [record["asked"] for record in stopping] == ([True] if running else [])
    if job is not None:
        assert not await analyses.advance(db, analysis_id, job, "probe", 50)


async def test_every_change_is_told(database: Database) -> None:
    """Whoever makes it: an operator's hand too."""
    analysis_id = await accepted(database.pool)
    async with await Signals.open(database) as signals:
        heard = asyncio.Queue[str]()
        signals.subscribe(CHANGED, heard.put_nowait)
        await database.pool.execute("update media_analysis_requests set priority = 1")
        assert await heard.get() == str(analysis_id)


async def test_place_in_the_queue_and_pace(db: Pool) -> None:
    first, second, urgent = await accepted(db), await accepted(db), await accepted(db, priority=10)
    assert [await jobs.read_place(db, each) for each in (urgent, first, second)] == [Place(n, None) for n in range(3)]
    [depth] = await operations.queue_depth(db)
    assert (depth.kind, depth.state, depth.jobs) == ("analyze", "queued", 3)
    assert await operations.pace_seconds(db, OWNER) == {}
    await ended(db, first, "completed")
    await db.execute("update media_analysis_requests set latency_ms = 1500 where id = $1", first)
    assert await jobs.read_place(db, first) is None
    assert await jobs.read_place(db, second) == Place(1, 3.0)
    assert await operations.pace_seconds(db, OWNER) == {MediaType.UNKNOWN: 1.5}
    assert await operations.ping(db)
    assert await operations.server_version(db) >= 140000
