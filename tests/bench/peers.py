"""One peer's burn-down, in a process and an environment of its own: `peers.py NAME DSN JOBS OPTION`.

No-op jobs, enqueued before the clock starts. It stops when the last one is durably done, not when it was started.
OPTION is the batch size (pgqueuer) or the concurrency (procrastinate). Prints jobs per second.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import asyncpg
import uvloop

DURABLE = """
    select bool_and(setting = 'on') and not exists (select from pg_class where relpersistence = 'u')
    from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')
"""


async def until_done(dsn: str, question: str, worker: Awaitable[None], jobs: int) -> float:
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval(DURABLE), "what is done must be on disk, for all alike"
    gc.freeze()  # as we do
    gc.set_threshold(50_000, 20, 20)
    began = time.perf_counter()
    running = asyncio.ensure_future(worker)
    while await connection.fetchval(question):
        await asyncio.sleep(0.02)
    took = time.perf_counter() - began
    running.cancel()
    return jobs / took


async def pgqueuer(dsn: str, jobs: int, batch_size: int) -> float:
    from pgqueuer import PgQueuer
    from pgqueuer.db import AsyncpgPoolDriver

    async with asyncpg.create_pool(dsn, min_size=4, max_size=10) as pool:
        queue: Any = PgQueuer(AsyncpgPoolDriver(pool))
        await queue.qm.queries.install()
        await queue.qm.queries.optimize_autovacuum()

        @queue.entrypoint("noop")
        async def noop(_job: Any) -> None: ...

        for start in range(0, jobs, 5000):
            part = min(5000, jobs - start)
            await queue.qm.queries.enqueue(["noop"] * part, [None] * part, [0] * part)
        worker = queue.qm.run(batch_size=batch_size, dequeue_timeout=timedelta(seconds=1))
        return await until_done(dsn, "select exists (select from pgqueuer)", worker, jobs)


async def procrastinate(dsn: str, jobs: int, concurrency: int) -> float:
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=4, max_size=20))

    @app.task(name="noop")
    async def noop() -> None: ...

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, jobs, 1000):
            await noop.batch_defer_async(*[{} for _ in range(min(1000, jobs - start))])
        worker = app.run_worker_async(concurrency=concurrency, install_signal_handlers=False)
        question = "select exists (select from procrastinate_jobs where status <> 'succeeded')"
        return await until_done(dsn, question, worker, jobs)


if __name__ == "__main__":
    peer = {"pgqueuer": pgqueuer, "procrastinate": procrastinate}[sys.argv[1]]
    print(f"{uvloop.run(peer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))):.0f}", flush=True)
