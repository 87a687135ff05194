"""Chores: jobs like the others, enqueued by the clock. There is no leader: a unique row decides who enqueues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from mediaanalysis.store import idempotency, job_failures, schedules
from mediaanalysis.store.pool import Database
from mediaanalysis.store.schedules import Schedule
from mediaanalysis.worker.chance import jittered
from mediaanalysis.worker.watch import Watch

HOUR_SECONDS = 3600.0
FAILURES_KEEP_DAYS = 90
BATCH_KEYS = 1000

SCHEDULES = (
    Schedule("sweep_files", "sweep_files", HOUR_SECONDS),
    Schedule("sweep_jobs", "sweep_jobs", 24 * HOUR_SECONDS),
)
"""What is enqueued when. A worker leaves out what it has no handler for."""


async def sweep_jobs(database: Database) -> None:
    """The handler of `sweep_jobs`: failures are forgotten after a quarter of a year, idempotency keys when they end."""
    await job_failures.remove_old(database.pool, FAILURES_KEEP_DAYS)
    while await idempotency.remove_expired(database.pool, BATCH_KEYS) == BATCH_KEYS:
        pass


class Clock:
    """Enqueues what is due: each schedule is asked for once in its interval, by every worker, at its own time."""

    def __init__(self, database: Database, due: Sequence[Schedule]) -> None:
        self._database = database
        self._due = due
        self._next_at = {schedule.name: 0.0 for schedule in due}

    async def run(self, watch: Watch) -> None:
        """Raises StoreError; what was due then is due still."""
        while True:
            now = time.monotonic()
            for schedule in self._due:
                if self._next_at[schedule.name] <= now:
                    watch.busy()
                    await schedules.fire(self._database.pool, schedule)
                    self._next_at[schedule.name] = now + jittered(schedule.every_seconds, 0.1)
            watch.idle()
            await asyncio.sleep(1.0)
