"""How attempts end: the fence, and the analysis that follows its job."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from mediaanalysis.store import jobs, schedules, workers
from mediaanalysis.store.pool import Pool
from mediaanalysis.store.schedules import Schedule
from mediaanalysis.structs.jobs import Ending, Job
from tests.worker.conftest import new_analysis


@pytest_asyncio.fixture
async def worker(db: Pool) -> int:
    return await workers.register(db, ["analyze"], 10, 20)


@pytest_asyncio.fixture
async def job(db: Pool, worker: int) -> Job:
    """A claimed job with its analysis."""
    await new_analysis(db)
    return await claim(db, worker)


async def claim(db: Pool, worker: int) -> Job:
    [claimed] = await jobs.claim(db, worker, ["analyze"], 1)
    return claimed.job


async def analysis(db: Pool) -> dict[str, Any]:
    row = await db.fetchrow("select status, error_code, error_message, completed_at from media_analysis_requests")
    assert row is not None
    return dict(row)


async def row(db: Pool) -> dict[str, Any]:
    found = await db.fetchrow("select *, run_at - now() as due_in from processing_jobs")
    return dict(found) if found else {}


async def test_a_claim_marks_the_analysis(db: Pool, job: Job) -> None:
    assert (await analysis(db))["status"] == "processing"


async def test_done_is_gone(db: Pool, job: Job) -> None:
    assert await jobs.complete(db, [(job.id, job.fence)]) == {job.id}
    assert await row(db) == {}


async def test_failed_is_kept_as_a_dead_letter(db: Pool, job: Job) -> None:
    ending = Ending(job.id, job.fence, "fail", code="media_damaged", message="broken", stage="probe")
    assert await jobs.settle(db, [ending]) == {job.id}
    assert await row(db) == {}
    failure = await db.fetchrow("select job_id, attempts, error_code, stage, request_id from job_failures")
    assert failure is not None
    assert tuple(failure) == (job.id, 1, "media_damaged", "probe", job.request_id)
    after = await analysis(db)
    assert (after["status"], after["error_code"], after["error_message"]) == ("failed", "media_damaged", "broken")
    assert after["completed_at"] is not None


@pytest.mark.parametrize(("verb", "attempt"), [("retry", 1), ("defer", 0)])
async def test_what_may_work_later_waits(db: Pool, job: Job, verb: str, attempt: int) -> None:
    await jobs.settle(db, [Ending(job.id, job.fence, verb, 30, "fetch_failed", "slow")])
    after = await row(db)
    assert (after["state"], after["attempt"], after["fence"], after["worker_id"]) == ("queued", attempt, 2, None)
    assert 29 < after["due_in"].total_seconds() <= 30
    assert after["last_error"] == "fetch_failed: slow"
    assert (await analysis(db))["status"] == "pending"


@pytest.mark.parametrize(("verb", "crashes"), [("release", 0), ("crash", 1)])
async def test_what_is_not_the_job_s_fault_burns_no_attempt(db: Pool, job: Job, verb: str, crashes: int) -> None:
    await jobs.settle(db, [Ending(job.id, job.fence, verb)])
    after = await row(db)
    assert (after["state"], after["attempt"], after["crashes"], after["fence"]) == ("queued", 0, crashes, 2)
    assert after["due_in"].total_seconds() <= 0
    assert (await analysis(db))["status"] == "pending"


@pytest.mark.parametrize("verb", ["cancel", "retry", "release", "crash"])
async def test_a_cancel_that_was_asked_for_wins_over_going_back(db: Pool, operator: Pool, job: Job, verb: str) -> None:
    await operator.execute("select ops.cancel($1)", job.request_id)
    assert await jobs.complete(db, [(job.id, job.fence)]) == set()
    assert await jobs.settle(db, [Ending(job.id, job.fence, verb)]) == {job.id}
    assert await row(db) == {}
    assert (await analysis(db))["status"] == "cancelled"


@pytest.mark.parametrize("verb", ["complete", "fail", "cancel", "retry", "release", "crash", "extend"])
async def test_an_old_fence_changes_nothing(db: Pool, worker: int, job: Job, verb: str) -> None:
    await jobs.settle(db, [Ending(job.id, job.fence, "crash")])
    await claim(db, worker)
    before, told = await row(db), await analysis(db)
    if verb == "complete":
        assert await jobs.complete(db, [(job.id, job.fence)]) == set()
    elif verb == "extend":
        assert not await jobs.extend_deadline(db, job.id, job.fence)
    else:
        assert await jobs.settle(db, [Ending(job.id, job.fence, verb, 1, "internal", "late")]) == set()
    after = await row(db)
    assert {**after, "due_in": None} == {**before, "due_in": None}
    assert await analysis(db) == told


async def test_a_deleted_analysis_stays_deleted(db: Pool, job: Job) -> None:
    await db.execute("update media_analysis_requests set status = 'deleted', deleted_at = now()")
    await jobs.settle(db, [Ending(job.id, job.fence, "retry", 1, "internal", "x")])
    assert (await analysis(db))["status"] == "deleted"


async def test_progress_moves_the_deadline(db: Pool, job: Job) -> None:
    await db.execute("update processing_jobs set deadline_at = now()")
    assert await jobs.extend_deadline(db, job.id, job.fence)
    assert await db.fetchval("select deadline_at > now() + interval '59 min' from processing_jobs")


async def test_an_analysis_has_one_live_job(db: Pool, job: Job) -> None:
    added = "insert into processing_jobs (kind, request_id) values ('analyze', $1) on conflict do nothing returning id"
    assert await db.fetchval(added, job.request_id) is None


async def test_each_time_of_a_schedule_is_enqueued_once(db: Pool) -> None:
    hourly = Schedule("sweep", "sweep_files", 3600)
    assert [await schedules.fire(db, hourly) for _ in range(3)] == [True, False, False]
    assert await db.fetchval("select count(*) from processing_jobs where kind = 'sweep_files'") == 1


async def test_a_chore_that_still_waits_is_not_piled_up(db: Pool, operator: Pool) -> None:
    await schedules.fire(db, Schedule("sweep", "sweep_files", 3600))
    await operator.execute("update schedules_fired set slot = slot - interval '1 hour'")
    assert not await schedules.fire(db, Schedule("sweep", "sweep_files", 3600))
