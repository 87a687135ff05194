"""A worker at work: what handlers see, and how jobs end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from mediaanalysis.errors import MediaError, ProviderError, StoreError
from mediaanalysis.store import jobs
from mediaanalysis.store.pool import Connection, Pool
from mediaanalysis.store.schedules import Schedule
from mediaanalysis.structs.jobs import Job, NewJob
from mediaanalysis.worker import Control, Finish
from tests.worker.conftest import Start, eventually, new_analysis


@pytest.fixture(autouse=True)
def _quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker finds out at its next beat it finds out sooner."""
    monkeypatch.setattr("mediaanalysis.worker.beat.BEAT_SECONDS", 0.2)


class Gate:
    """A handler that shows when it began and ends when it is let."""

    def __init__(self) -> None:
        self.begun: list[Job] = []
        self.stopped: list[int] = []
        self.open = asyncio.Event()

    async def __call__(self, job: Job, control: Control) -> None:
        self.begun.append(job)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            assert control.cancelled
            self.stopped.append(job.id)
            raise


async def queue_is_empty(db: Pool) -> bool:
    return not await db.fetchval("select exists (select from processing_jobs)")


async def status(db: Pool) -> str:
    return str(await db.fetchval("select status from media_analysis_requests"))


async def test_jobs_are_run_and_leave(db: Pool, start: Start) -> None:
    seen = []

    async def note(job: Job, control: Control) -> None:
        assert control.fence == job.fence == 1
        seen.append(job.payload["n"])

    await jobs.enqueue(db, [NewJob("note", payload={"n": n}) for n in range(100)])
    await start({"note": note}, slots=8)
    await eventually(lambda: queue_is_empty(db))
    assert sorted(seen) == list(range(100))


async def test_no_more_than_the_slots_at_once(db: Pool, start: Start) -> None:
    gate = Gate()
    await jobs.enqueue(db, [NewJob("wait")] * 10)
    worker = await start({"wait": gate}, slots=3)
    await eventually(lambda: len(gate.begun) == 3)
    assert worker.health().running == 3
    gate.open.set()
    await eventually(lambda: queue_is_empty(db))
    assert len(gate.begun) == 10


async def test_results_are_written_with_the_end_of_the_job(db: Pool, start: Start) -> None:
    async def produce(job: Job, _control: Control) -> Finish:
        async def write(connection: Connection) -> None:
            await connection.execute("insert into lanes (scope, name) values ('kind', $1)", job.payload["n"])

        return write

    await jobs.enqueue(db, [NewJob("produce", payload={"n": "x"})])
    await start({"produce": produce})
    await eventually(lambda: queue_is_empty(db))
    assert await db.fetchval("select name from lanes") == "x"


async def test_results_of_a_job_that_was_taken_away_are_not_written(db: Pool, start: Start) -> None:
    async def produce(job: Job, _control: Control) -> Finish:
        async def write(connection: Connection) -> None:
            await connection.execute("insert into lanes (scope, name) values ('kind', $1)", f"fence {job.fence}")

        if job.fence == 1:  # the rescuer comes while we work
            await db.execute(
                "update processing_jobs set fence = 2, state = 'queued', worker_id = null where id = $1", job.id
            )
        return write

    await jobs.enqueue(db, [NewJob("produce")])
    await start({"produce": produce})
    await eventually(lambda: queue_is_empty(db))
    assert [row["name"] for row in await db.fetch("select name from lanes")] == ["fence 3"]


async def test_a_failed_write_takes_everything_back(db: Pool, start: Start) -> None:
    async def produce(_job: Job, _control: Control) -> Finish:
        async def write(connection: Connection) -> None:
            await connection.execute("insert into lanes (scope, name) values ('kind', 'half')")
            raise MediaError("no")

        return write

    await jobs.enqueue(db, [NewJob("produce")])
    await start({"produce": produce})
    await eventually(lambda: db.fetchval("select error_code from job_failures"))
    assert await db.fetchval("select count(*) from lanes") == 0


async def test_a_fault_in_a_handler_is_tried_again(db: Pool, start: Start) -> None:
    async def broken(_job: Job, _control: Control) -> None:
        raise ZeroDivisionError

    await jobs.enqueue(db, [NewJob("broken")])
    worker = await start({"broken": broken})
    await eventually(lambda: db.fetchval("select last_error is not null from processing_jobs"))
    assert await db.fetchval("select state || attempt from processing_jobs") == "queued1"
    assert worker.health().ready


async def test_an_error_that_the_database_refuses_holds_up_nobody(db: Pool, start: Start) -> None:
    async def hostile(_job: Job, _control: Control) -> None:
        raise MediaError("a zero byte \0 is no text")

    async def paused(_job: Job, _control: Control) -> None:
        raise ProviderError("paused", provider="fake", retry_after_seconds=float("inf"))

    await jobs.enqueue(db, [NewJob("hostile"), NewJob("hostile"), NewJob("paused")])
    worker = await start({"hostile": hostile, "paused": paused})
    await eventually(lambda: db.fetchval("select count(*) = 2 from job_failures where error_code = 'internal'"))
    await eventually(lambda: db.fetchval("select state || attempt from processing_jobs where kind = 'paused'"))
    assert worker.health().ready


async def test_a_running_job_is_cancelled_within_a_second(db: Pool, operator: Pool, start: Start) -> None:
    gate = Gate()
    analysis_id = await new_analysis(db)
    await start({"analyze": gate})
    await eventually(lambda: gate.begun)
    await operator.execute("select ops.cancel($1)", analysis_id)
    await eventually(lambda: gate.stopped, within_seconds=1)
    await eventually(lambda: queue_is_empty(db))
    assert await status(db) == "cancelled"


async def test_a_cancel_nobody_was_told_of_is_found(db: Pool, start: Start) -> None:
    gate = Gate()
    await jobs.enqueue(db, [NewJob("wait")])
    await start({"wait": gate})
    await eventually(lambda: gate.begun)
    await db.execute("update processing_jobs set cancel_requested_at = now()")
    await eventually(lambda: queue_is_empty(db))
    assert gate.stopped


async def test_a_cancel_during_the_end_loses_or_wins_as_a_whole(db: Pool, operator: Pool, start: Start) -> None:
    analysis_id = await new_analysis(db)
    writing, go_on = asyncio.Event(), asyncio.Event()

    async def produce(_job: Job, _control: Control) -> Finish:
        async def write(connection: Connection) -> None:
            writing.set()
            await go_on.wait()
            await connection.execute(
                "update media_analysis_requests set status = 'completed', progress = 100, completed_at = now()"
            )

        return write

    await start({"analyze": produce})
    await writing.wait()
    cancel = asyncio.create_task(operator.fetchval("select ops.cancel($1)", analysis_id))
    await eventually(lambda: db.fetchval("select exists (select from pg_locks where not granted)"))
    go_on.set()
    assert await cancel == "not cancelled: it is completed"
    assert await status(db) == "completed"


async def test_a_silent_job_is_stopped_at_its_deadline(db: Pool, start: Start) -> None:
    gate = Gate()
    await jobs.enqueue(db, [NewJob("wait", timeout_seconds=1)])
    await start({"wait": gate})
    await eventually(lambda: db.fetchval("select last_error like 'deadline:%' from processing_jobs"))
    assert len(gate.stopped) == 1
    assert await db.fetchval("select attempt from processing_jobs") == 1


async def test_progress_keeps_a_job_alive(db: Pool, start: Start) -> None:
    done = asyncio.Event()

    async def slow(_job: Job, control: Control) -> None:
        for _ in range(15):
            await control.report()
            await asyncio.sleep(0.1)
        done.set()

    await jobs.enqueue(db, [NewJob("slow", timeout_seconds=1)])
    await start({"slow": slow})
    await eventually(lambda: done.is_set() and queue_is_empty(db))
    assert await db.fetchval("select count(*) from job_failures") == 0


async def test_a_stop_lets_jobs_finish(db: Pool, start: Start) -> None:
    gate = Gate()
    await jobs.enqueue(db, [NewJob("wait")] * 3)
    worker = await start({"wait": gate}, slots=2, grace_seconds=5)
    await eventually(lambda: len(gate.begun) == 2)
    worker.stop()
    await eventually(lambda: db.fetchval("select draining from workers"))
    gate.open.set()
    await eventually(lambda: db.fetchval("select not exists (select from workers)"))
    assert len(gate.begun) == 2
    assert await db.fetchval("select state from processing_jobs") == "queued"


async def test_a_stop_hands_back_what_takes_too_long(db: Pool, start: Start) -> None:
    gate = Gate()
    await new_analysis(db)
    worker = await start({"analyze": gate}, grace_seconds=0.1)
    await eventually(lambda: gate.begun)
    worker.stop()
    await eventually(lambda: db.fetchval("select not exists (select from workers)"))
    assert await db.fetchval("select state || attempt || crashes from processing_jobs") == "queued00"
    assert await status(db) == "pending"


async def test_a_worker_declared_dead_drops_its_jobs_and_returns_as_another(db: Pool, start: Start) -> None:
    gate = Gate()
    await jobs.enqueue(db, [NewJob("wait")])
    worker = await start({"wait": gate})
    await eventually(lambda: gate.begun)
    before = worker.health().worker_id
    await db.execute("delete from workers")
    await eventually(lambda: len(gate.begun) == 2)
    assert gate.stopped == [gate.begun[0].id]
    assert worker.health().worker_id != before
    assert [job.fence for job in gate.begun] == [1, 3]
    assert gate.begun[1].crashes == 1


async def test_a_claim_whose_answer_was_lost_is_given_back(db: Pool, start: Start) -> None:
    seen: list[int] = []

    async def note(job: Job, _control: Control) -> None:
        seen.append(job.fence)

    worker = await start({"note": note})
    await db.execute(
        "insert into processing_jobs (kind, state, worker_id, fence, attempt, started_at, deadline_at)"
        " values ('note', 'running', $1, 1, 1, now(), now() + interval '1 hour')",
        worker.health().worker_id,
    )
    await eventually(lambda: queue_is_empty(db))
    assert seen == [3]


async def test_work_from_psql_wakes_an_idle_worker(db: Pool, operator: Pool, start: Start) -> None:
    gate = Gate()
    await start({"wait": gate})
    await eventually(lambda: db.fetchval("select idle from workers"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await operator.execute("select ops.enqueue('wait')")
    await eventually(lambda: gate.begun)
    assert loop.time() - began < 0.5
    gate.open.set()


@pytest.mark.parametrize("undo", ["select ops.resume('wait')", "select ops.set_limit('wait', null)"])
async def test_an_end_of_holding_back_wakes_too(db: Pool, operator: Pool, start: Start, undo: str) -> None:
    gate = Gate()
    gate.open.set()
    await operator.execute("select ops.pause('wait')" if "resume" in undo else "select ops.set_limit('wait', 0)")
    await jobs.enqueue(db, [NewJob("wait")])
    await start({"wait": gate})
    await eventually(lambda: db.fetchval("select idle from workers"))
    assert not gate.begun
    await operator.execute(undo)
    await eventually(lambda: gate.begun, within_seconds=0.5)


async def test_schedules_run_without_a_leader(db: Pool, start: Start) -> None:
    ran: list[int] = []

    async def chore(job: Job, _control: Control) -> None:
        ran.append(job.id)

    for _ in range(3):
        await start({"chore": chore}, schedules=[Schedule("hourly", "chore", 3600)])
    await eventually(lambda: ran)
    await eventually(lambda: queue_is_empty(db))
    assert len(ran) == 1


async def kill_backends(operator: Pool) -> None:
    others = "select pid from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
    await operator.fetch(f"select pg_terminate_backend(pid) from ({others}) as other")


async def test_it_heals_after_every_connection_was_cut(db: Pool, operator: Pool, start: Start) -> None:
    gate = Gate()
    await jobs.enqueue(db, [NewJob("wait")])
    worker = await start({"wait": gate})
    await eventually(lambda: gate.begun)
    await kill_backends(operator)
    gate.open.set()
    await eventually(lambda: quietly(queue_is_empty, db), within_seconds=5)
    await jobs.enqueue(db, [NewJob("wait")])
    await eventually(lambda: len(gate.begun) == 2, within_seconds=5)
    await eventually(lambda: worker.health().ready)
    assert not gate.stopped


async def set_read_only(dsn: str, value: str) -> None:
    """Through a session of its own, which may write in any case: as a failover would, and its end."""
    connection = await asyncpg.connect(dsn, server_settings={"default_transaction_read_only": "off"})
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set default_transaction_read_only = {value}")
    others = "select pid from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
    await connection.fetch(f"select pg_terminate_backend(pid) from ({others}) as other")
    await connection.close()


async def test_it_waits_out_a_server_that_only_reads(operator_dsn: str, db: Pool, start: Start) -> None:
    gate = Gate()
    gate.open.set()
    worker = await start({"wait": gate})
    await set_read_only(operator_dsn, "on")
    try:
        await eventually(lambda: not worker.health().ready)
    finally:
        await set_read_only(operator_dsn, "off")
    await eventually(lambda: worker.health().ready, within_seconds=5)
    await eventually(lambda: quietly(added, db))
    await eventually(lambda: gate.begun, within_seconds=5)


async def added(db: Pool) -> bool:
    return bool(await jobs.enqueue(db, [NewJob("wait")]))


async def quietly(ask: Callable[[Pool], Awaitable[bool]], db: Pool) -> bool:
    try:
        return await ask(db)
    except StoreError:
        return False


async def test_a_part_that_dies_is_started_again_and_seen(
    db: Pool, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    gate.open.set()
    worker = await start({"wait": gate})
    real = jobs.claim

    async def broken(*_: object, **__: object) -> list[jobs.Claimed]:
        raise RuntimeError("bug")

    monkeypatch.setattr(jobs, "claim", broken)
    await jobs.enqueue(db, [NewJob("wait")])
    health = await eventually(lambda: (health := worker.health()).faults and health)
    assert (health.ready, health.faults) == (False, {"claim": "bug"})
    monkeypatch.setattr(jobs, "claim", real)
    await eventually(lambda: gate.begun)
    await eventually(lambda: worker.health().ready)
    assert worker.health().restarts >= 1
