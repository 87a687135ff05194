"""A worker process for chaos tests: `python chaos_worker.py DSN SLOTS LEASE_SECONDS GRACE_SECONDS`.

Its jobs take `payload.seconds` and write a line into `ledger` together with their end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from types import SimpleNamespace
from typing import Any

from mediaanalysis.metrics import Metrics
from mediaanalysis.settings import Settings
from mediaanalysis.store.pool import Connection, Database
from mediaanalysis.store.signals import Signals
from mediaanalysis.structs.jobs import Job
from mediaanalysis.worker import Control, Finish, Worker


async def work(job: Job, _control: Control) -> Finish:
    await asyncio.sleep(job.payload["seconds"])

    async def write(connection: Connection) -> None:
        await connection.execute("insert into ledger values ($1, $2, $3)", job.id, job.fence, os.getpid())

    return write


async def main(dsn: str, slots: int, lease_seconds: float, grace_seconds: float) -> None:
    settings = Settings(worker_slots=slots, stop_grace_seconds=grace_seconds, pool_min=1, pool_max=6)
    async with await Database.open(settings, dsn) as database, await Signals.open(database) as signals:
        services: Any = SimpleNamespace(settings=settings, database=database, metrics=Metrics(), signals=signals)
        worker = Worker(services, {"work": work}, schedules=(), lease_seconds=lease_seconds)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
