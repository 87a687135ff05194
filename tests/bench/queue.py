"""The queue against a floor and its peers, in one run: `python -m tests.bench.queue`.

Everything runs on one embedded PostgreSQL with fsync on. No-op jobs go through our real claim, run and outcome code;
every system is timed to its last durable completion. The floor is plain SQL in pgbench: claim a hundred, delete them.
Peers are installed into an environment of their own, and left out with a word where that fails.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import uvloop

from mediaanalysis import log, migrate
from mediaanalysis.app import collect_seldom
from mediaanalysis.metrics import Metrics
from mediaanalysis.settings import Settings
from mediaanalysis.store import embedded, jobs, workers
from mediaanalysis.store.pool import Connection, Database, Pool
from mediaanalysis.store.signals import Signals
from mediaanalysis.structs.jobs import Job, NewJob
from mediaanalysis.worker import Control, Handler, Worker
from tests.bench import rivals

HERE = Path(__file__).parent
CHAOS_WORKER = HERE.parent / "worker" / "chaos_worker.py"
SLOTS = {2000: 80_000, 1000: 80_000, 500: 80_000, 200: 60_000, 50: 20_000, 10: 8_000, 1: 1_000}
RATES = (20, 300)
MILLION = 1_000_000


def say(name: str, value: str) -> None:
    print(f"  {name:<48}{value}", flush=True)


@asynccontextmanager
async def working(dsn: str, slots: int, handler: Handler) -> AsyncIterator[Database]:
    settings = Settings(worker_slots=slots, pool_min=4, pool_max=8)
    async with await Database.open(settings, dsn) as database, await Signals.open(database) as signals:
        services: Any = SimpleNamespace(settings=settings, database=database, metrics=Metrics(), signals=signals)
        worker = Worker(services, {"noop": handler}, schedules=())
        running = asyncio.create_task(worker.run())
        yield database
        worker.stop()
        await running


async def noop(_job: Job, _control: Control) -> None: ...


async def until_empty(db: Pool) -> None:
    while await db.fetchval("select exists (select from processing_jobs)"):
        await asyncio.sleep(0.01)


async def fill(connection: Connection, count: int, owners: int = 1) -> None:
    owner = f"('00000000-0000-0000-0000-' || lpad((n % {owners})::text, 12, '0'))::uuid"
    await connection.execute(
        f"insert into processing_jobs (kind, owner_id) select 'noop', {owner} from generate_series(1, {count}) n"
    )


async def burn_down(dsn: str, slots: int, count: int) -> tuple[float, float]:
    """Jobs per second, and bytes of WAL for each job."""
    async with working(dsn, slots, noop) as database:
        pool = database.pool
        await pool.execute("truncate processing_jobs")  # empty, but worn: every rival begins with new tables, too
        await pool.execute("select ops.pause('noop')")
        async with pool.acquire() as connection:
            await fill(connection, count)
        start = await pool.fetchval("select pg_current_wal_lsn()")
        began = time.perf_counter()
        await pool.execute("select ops.resume('noop')")
        await until_empty(pool)
        took = time.perf_counter() - began
        written = await pool.fetchval("select pg_current_wal_lsn() - $1::pg_lsn", start)
        return count / took, float(written) / count


async def enqueue(dsn: str) -> None:
    async with await Database.open(Settings(pool_min=1), dsn) as database:
        began = time.perf_counter()
        for _ in range(20):
            await jobs.enqueue(database.pool, [NewJob("noop")] * 5000)
        say("bulk enqueue, rows/s", f"{100_000 / (time.perf_counter() - began):,.0f}")
        await database.pool.execute("truncate processing_jobs")


async def pick_up(dsn: str) -> None:
    waits: list[float] = []

    async def note(job: Job, _control: Control) -> None:
        waits.append(1000 * (time.perf_counter() - job.payload["at"]))

    async with working(dsn, 200, note) as database:
        for rate in RATES:
            await asyncio.sleep(2)
            waits.clear()
            for _ in range(rate * 5):
                await jobs.enqueue(database.pool, [NewJob("noop", payload={"at": time.perf_counter()})])
                await asyncio.sleep(1 / rate)
            await asyncio.sleep(0.5)
            p50, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
            say(f"pick-up at {rate} jobs/s, with the enqueue", f"p50 {p50:.2f} ms   p95 {p95:.2f} ms")


async def claims(dsn: str) -> None:
    """Claims of ten, each rolled back."""
    async with await Database.open(Settings(pool_min=1), dsn) as database, database.pool.acquire() as connection:
        await connection.execute("truncate processing_jobs; delete from workers")
        worker = await workers.register(connection, ["noop"], 10, 20)
        await fill(connection, 1000)
        await claim_time("nothing else there", connection, worker)
        await fill(connection, MILLION)
        await claim_time("a million waiting", connection, worker)
        await connection.execute("delete from processing_jobs where id % 1000 <> 0")
        await claim_time("a million finished, not yet vacuumed", connection, worker)
        await connection.execute("vacuum processing_jobs")
        await claim_time("a million finished, vacuumed", connection, worker)
        await connection.execute("truncate processing_jobs")
        await fill(connection, MILLION, owners=1000)
        await claim_time("a million waiting of 1,000 owners", connection, worker)
        await connection.execute("set plan_cache_mode = force_generic_plan")
        await claim_time("the same, generic plans forced", connection, worker)
        await connection.execute("truncate processing_jobs; set plan_cache_mode = auto")


async def claim_time(name: str, connection: Connection, worker: int, free: int = 10) -> None:
    times = []
    for _ in range(200):
        transaction = connection.transaction()
        await transaction.start()
        began = time.perf_counter()
        await jobs.claim(connection, worker, ["noop"], free)
        times.append(1000 * (time.perf_counter() - began))
        await transaction.rollback()
    say(
        f"claim of {free}: {name}",
        f"p50 {statistics.median(times):.2f} ms   p95 {statistics.quantiles(times, n=20)[-1]:.2f} ms",
    )


async def pinned(dsn: str) -> None:
    """While somebody's snapshot keeps vacuum from removing 200,000 finished jobs, through the worker."""
    times: list[float] = []
    real = jobs.claim

    async def timed(*arguments: Any, **options: Any) -> list[jobs.Claimed]:
        began = time.perf_counter()
        claimed = await real(*arguments, **options)
        times.append(1000 * (time.perf_counter() - began))
        return claimed

    holder = await asyncpg.connect(dsn)
    await holder.execute("begin isolation level repeatable read; select count(*) from processing_jobs")
    async with working(dsn, 200, noop) as database, database.pool.acquire() as connection:
        await fill(connection, 200_000)
        await connection.execute("select wake_workers()")
        await until_empty(database.pool)
        jobs.claim = timed
        for _ in range(1000):
            await jobs.enqueue(database.pool, [NewJob("noop")])
            await asyncio.sleep(0.003)
        jobs.claim = real
    await holder.close()
    p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    say(
        "claim, 200,000 finished behind a pinned xmin", f"p50 {p50:.2f} ms   p95 {p95:.2f} ms   max {max(times):.1f} ms"
    )


async def idle(dsn: str) -> None:
    sent = 0
    real = asyncpg.Connection._execute

    async def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        return await real(*arguments, **options)

    async with working(dsn, 4, noop):
        await asyncio.sleep(3)
        asyncpg.Connection._execute, began = counted, time.monotonic()
        await asyncio.sleep(20)
        asyncpg.Connection._execute = real
        say("statements/s of an idle worker", f"{sent / (time.monotonic() - began):.2f}")


async def rescue(dsn: str) -> None:
    """From `kill -9` until another worker runs the job."""
    took = []
    async with await Database.open(Settings(pool_min=1), dsn) as database:
        crew = [await hire(dsn) for _ in range(2)]
        await asyncio.sleep(22)  # nobody judges before the database was up for a lease
        for _ in range(3):
            await jobs.enqueue(database.pool, [NewJob("work", payload={"seconds": 3600})])
            pid = await told(database, "select pid from workers join processing_jobs job on job.worker_id = workers.id")
            victim = next(each for each in crew if each.pid == pid)
            victim.kill()
            began = time.perf_counter()
            await told(database, "select true from processing_jobs where crashes = 1 and state = 'running'")
            took.append(time.perf_counter() - began)
            await database.pool.execute("truncate processing_jobs")
            crew = [each for each in crew if each is not victim] + [await hire(dsn)]
            await asyncio.sleep(2)
        for each in crew:
            each.kill()
            await each.wait()
    say("job runs again after kill -9, s", "   ".join(f"{each:.2f}" for each in took))


async def hire(dsn: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, str(CHAOS_WORKER), dsn, "1", "20", "1")


async def told(database: Database, question: str) -> Any:
    while (answer := await database.pool.fetchval(question)) is None:
        await asyncio.sleep(0.01)
    return answer


def compare(dsn: str, place: Path) -> None:
    """Each with its best settings: ours runs again with its own beside each rival, so that both meet the same noise."""
    speeds: dict[int, float] = {}
    for slots, count in SLOTS.items():
        speeds[slots], wal = uvloop.run(burn_down(dsn, slots, count))
        say(f"no-op jobs/s, {slots} slots", f"{speeds[slots]:,.0f}   (WAL {wal:,.0f} bytes a job)")
    best = max(speeds, key=lambda slots: speeds[slots])
    say("floor: plain SQL deleting hundreds, jobs/s", f"{rivals.floor(dsn, place):,.0f}")
    if not rivals.installed():
        say("peers", "left out: they cannot be installed here")
        return
    for name, option, speed in rivals.peers(dsn):
        ours, _ = uvloop.run(burn_down(dsn, best, rivals.JOBS))
        say(f"{name}, {option}, jobs/s", f"{speed:,.0f}   (ours, {best} slots, {ours:,.0f}: {ours / speed:.1f} x)")


PARTS = {part.__name__: part for part in (enqueue, pick_up, claims, pinned, idle, rescue)}


def main(wanted: list[str]) -> None:
    """All of it, or the parts that are named: compare, enqueue, pick_up, claims, pinned, idle, rescue."""
    log.configure(style="text", level="error")
    collect_seldom()  # as the program does
    place = Path(tempfile.mkdtemp(prefix="mediaanalysis-bench-"))
    place.chmod(0o755)  # PostgreSQL does not run as root: where we are root, its user must get in
    server = embedded.start(place)
    try:
        migrate.apply(server.dsn)
        if not wanted or "compare" in wanted:
            compare(server.dsn, place)
        for name in [name for name in PARTS if not wanted or name in wanted]:
            uvloop.run(PARTS[name](server.dsn))
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
