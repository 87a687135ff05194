"""What operators do in psql, through psql."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from mediaanalysis.store import embedded, jobs, workers
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.jobs import Ending, Job, NewJob
from tests.worker.conftest import OWNER, new_analysis

PLACE = "select ahead, estimated_seconds from ops.place($1)"


async def psql(dsn: str, statement: str) -> str:
    """What psql prints: columns by |, rows by line."""
    command = (str(embedded.program("psql")), dsn, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode().strip()


async def claim(db: Pool, kind: str = "analyze") -> tuple[int, Job]:
    worker = await workers.register(db, [kind], 4, 20)
    [claimed] = await jobs.claim(db, worker, [kind], 1)
    return worker, claimed.job


async def why(dsn: str, analysis_id: UUID) -> str:
    return await psql(dsn, f"select ops.why('{analysis_id}')")


async def test_help_explains_in_lines_that_fit(operator: Pool) -> None:
    said = {row["name"]: row["about"] for row in await operator.fetch("select name, about from ops.help")}
    assert {
        "select * from ops.queue",
        "select ops.why(analysis_id)",
        "select ops.set_limit(name, max_running, scope)",
    } <= set(said)
    assert all(about and len(name) <= 72 for name, about in said.items())


async def test_the_views_show_what_is_there(operator_dsn: str, db: Pool) -> None:
    analysis_id = await new_analysis(db)
    await jobs.enqueue(db, [NewJob("analyze", OWNER)] * 2 + [NewJob("analyze", OWNER, delay_seconds=60)])
    worker, job = await claim(db)
    columns = "kind, waiting, scheduled, running, owners"
    assert await psql(operator_dsn, f"select {columns} from ops.queue") == "analyze|2|1|1|1"
    columns = "job_id, analysis_id, attempt, worker_id, cancelling"
    assert await psql(operator_dsn, f"select {columns} from ops.running") == f"{job.id}|{analysis_id}|1|{worker}|f"
    assert await psql(operator_dsn, "select id, slots, busy, state from ops.workers") == f"{worker}|4|1|working"


async def test_failures_are_grouped_by_error(operator_dsn: str, db: Pool) -> None:
    await jobs.enqueue(db, [NewJob("work")] * 3)
    worker = await workers.register(db, ["work"], 4, 20)
    for number, each in enumerate(await jobs.claim(db, worker, ["work"], 3)):
        code = "fetch_failed" if number else "poison"
        await jobs.settle(db, [Ending(each.job.id, each.job.fence, "fail", code=code, message=f"{code} {number}")])
    columns = "kind, error_code, failures, last_message"
    shown = await psql(operator_dsn, f"select {columns} from ops.failures order by failures")
    assert shown == "work|poison|1|poison 0\nwork|fetch_failed|2|fetch_failed 2"
    assert await psql(operator_dsn, "select ops.redrive('work', now() - interval '1 hour')") == "3"
    assert await psql(operator_dsn, "select count(*) from ops.failures") == "0"
    assert await db.fetchval("select count(*) from processing_jobs where attempt = 0 and crashes = 0") == 3


async def test_why_names_the_place_in_line_and_the_limit(operator_dsn: str, db: Pool, operator: Pool) -> None:
    await new_analysis(db)
    await new_analysis(db)
    third = await new_analysis(db)
    await operator.execute("select ops.set_limit($1, 1)", str(OWNER))
    await claim(db)
    await db.execute(
        "insert into media_analysis_requests"
        " (owner_id, prompt, prompt_hash, status, progress, latency_ms, completed_at)"
        " values ($1, 'x', repeat('a', 64), 'completed', 100, 20000, now())",
        OWNER,
    )
    await db.execute("update workers set slots = 1")
    said = await why(operator_dsn, third)
    assert said.startswith(
        "owner at its limit 1/1; 2nd in line behind 1 of the same owner; all 1 slots busy; next free in"
    )
    assert [tuple(row) for row in await db.fetch(PLACE, third)] == [(1, 40.0)]
    assert await db.fetch(PLACE, UUID(int=9)) == []


async def test_why_names_a_missing_worker_a_wait_and_a_pause(operator_dsn: str, db: Pool) -> None:
    analysis_id = await new_analysis(db)
    assert "no live worker takes kind analyze" in await why(operator_dsn, analysis_id)
    _, job = await claim(db)
    assert (await why(operator_dsn, analysis_id)).startswith("running for 0 s on worker")
    await jobs.settle(db, [Ending(job.id, job.fence, "retry", 30, "provider_failed", "429 from deepgram")])
    said = await why(operator_dsn, analysis_id)
    assert said.startswith("waiting until ")
    assert "last error provider_failed: 429 from deepgram" in said
    await psql(operator_dsn, "select ops.pause('analyze')")
    assert "kind analyze paused until resumed (by an operator)" in await why(operator_dsn, analysis_id)


async def test_why_knows_what_ended_and_what_never_was(operator_dsn: str, db: Pool) -> None:
    analysis_id = await new_analysis(db)
    _, job = await claim(db)
    await jobs.settle(db, [Ending(job.id, job.fence, "fail", code="media_damaged", message="broken")])
    assert (await why(operator_dsn, analysis_id)).endswith("; media_damaged: broken")
    assert await why(operator_dsn, UUID(int=9)) == "no such analysis"


async def test_a_waiting_analysis_is_cancelled_at_once_and_retried(operator_dsn: str, db: Pool) -> None:
    analysis_id = await new_analysis(db)
    assert await psql(operator_dsn, f"select ops.cancel('{analysis_id}')") == "cancelled"
    assert await psql(operator_dsn, f"select ops.cancel('{analysis_id}')") == "not cancelled: it is cancelled"
    assert (await psql(operator_dsn, f"select ops.retry('{analysis_id}')")).startswith("queued as job")
    assert await psql(operator_dsn, f"select ops.retry('{analysis_id}')") == "not retried: it is pending"
    assert await db.fetchval("select count(*) from processing_jobs") == 1
    assert await psql(operator_dsn, f"select ops.cancel('{UUID(int=9)}')") == "no such analysis"


async def test_a_failed_analysis_is_redriven_once(operator_dsn: str, db: Pool) -> None:
    await new_analysis(db)
    for _ in range(2):
        _, job = await claim(db)
        await jobs.settle(db, [Ending(job.id, job.fence, "fail", code="stage_failed", message="x")])
        assert await psql(operator_dsn, "select ops.redrive('analyze')") == "1"
    assert await db.fetchval("select status from media_analysis_requests") == "pending"
    assert await psql(operator_dsn, "select ops.redrive('analyze')") == "0"


async def test_a_running_analysis_is_told_to_its_worker(operator_dsn: str, db: Pool) -> None:
    analysis_id = await new_analysis(db)
    worker, job = await claim(db)
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with db.acquire() as connection:

        def hear(*said: object) -> None:
            heard.put_nowait(str(said[-1]))

        await connection.add_listener("mediaanalysis_cancel", hear)
        assert await psql(operator_dsn, f"select ops.cancel('{analysis_id}')") == f"worker {worker} is stopping it"
        assert await asyncio.wait_for(heard.get(), 5) == f"{job.id} {job.fence}"
        await connection.remove_listener("mediaanalysis_cancel", hear)


async def test_pauses_and_limits_say_what_they_did(operator_dsn: str, db: Pool) -> None:
    owner = str(UUID(int=0xABC)).upper()
    assert await psql(operator_dsn, f"select ops.pause('{owner}')") == f"owner {owner} is paused until infinity"
    assert await psql(operator_dsn, f"select ops.resume('{owner}')") == f"owner {owner} goes on"
    assert await psql(operator_dsn, "select ops.resume('deepgram', 'provider')") == "provider deepgram was not paused"
    assert await psql(operator_dsn, f"select ops.set_limit('{owner}', 3)") == f"owner {owner}: 3 running at most"
    assert await psql(operator_dsn, f"select ops.set_limit('{owner}', null)") == f"owner {owner}: no limit"


async def test_a_drained_worker_finishes_and_takes_no_more(operator_dsn: str, db: Pool) -> None:
    await jobs.enqueue(db, [NewJob("work")] * 2)
    worker, _ = await claim(db, "work")
    assert await psql(operator_dsn, f"select ops.drain({worker})") == f"worker {worker} claims no more; 1 running"
    assert await jobs.claim(db, worker, ["work"], 4) == []
    assert await psql(operator_dsn, "select state, busy from ops.workers") == "draining|1"
    assert await psql(operator_dsn, "select ops.drain(0)") == "no such worker"


@pytest.mark.parametrize("kind", ["pg_proc", "pg_class"])
async def test_everything_is_explained(db: Pool, kind: str) -> None:
    schema = {"pg_proc": "pronamespace", "pg_class": "relnamespace"}[kind]
    name = {"pg_proc": "proname", "pg_class": "relname"}[kind]
    silent = await db.fetch(
        f"select {name} from {kind} where {schema} = 'ops'::regnamespace and obj_description(oid, '{kind}') is null"
    )
    assert silent == []
