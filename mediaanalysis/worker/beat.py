"""Being alive, and seeing who is not.

A connection of its own holds the worker's advisory lock and beats once a second. If no beat gets through for most of a
lease, others may take our jobs at any moment, so we stop them ourselves (`guard`). If a beat is refused, that has
happened: everything is dropped, and the process goes on as a new worker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from mediaanalysis import log
from mediaanalysis.store import jobs, workers
from mediaanalysis.store.faults import answered_within
from mediaanalysis.store.pool import Connection, Database
from mediaanalysis.store.workers import Held
from mediaanalysis.worker import outcome
from mediaanalysis.worker.chance import draw, jittered
from mediaanalysis.worker.run import Stop
from mediaanalysis.worker.watch import ANSWER_SECONDS, Watch

BEAT_SECONDS = 1.0
GUARD_SHARE = 0.75

_log = log.get("worker")


class Crew(Protocol):
    """The jobs of this process, as far as liveness is concerned with them."""

    kinds: list[str]
    slots: int

    def review(self, held: Sequence[Held]) -> None: ...
    def stop_all(self, reason: Stop) -> None: ...
    def wake(self) -> None: ...


class Beat:
    """`worker_id` is our number while we are a worker; None before the first beat and after being declared dead."""

    def __init__(self, database: Database, crew: Crew, lease_seconds: float) -> None:
        self.worker_id: int | None = None
        self.draining = False
        self._database = database
        self._crew = crew
        self._lease_seconds = lease_seconds
        self._locked_by: Connection | None = None
        self._seen_at = time.monotonic()

    async def run(self, watch: Watch) -> None:
        """Beat for ever. Raises StoreError where the connection fails: run it again."""
        watch.busy()
        connection = await self._database.connect()
        try:
            while True:
                watch.busy()
                async with answered_within(ANSWER_SECONDS):
                    await self._beat(connection)
                watch.idle()
                await asyncio.sleep(jittered(BEAT_SECONDS, 0.1))
        finally:
            connection.terminate()

    async def guard(self, watch: Watch) -> None:
        """Stop our own jobs when nobody has seen us for most of a lease."""
        while True:
            watch.idle()
            await asyncio.sleep(self._lease_seconds / 20)
            if self.silent_seconds > self._lease_seconds * GUARD_SHARE:
                self._crew.stop_all(Stop.RELEASED)

    @property
    def silent_seconds(self) -> float:
        """Since the last beat that was answered."""
        return time.monotonic() - self._seen_at

    async def _beat(self, connection: Connection) -> None:
        if self.worker_id is None:
            self.worker_id = await workers.register(connection, self._crew.kinds, self._crew.slots, self._lease_seconds)
            _log.info("worker_started", worker_id=self.worker_id, slots=self._crew.slots)
            self._crew.wake()
        if self._locked_by is not connection:
            await workers.hold_lock(connection, self.worker_id)
            self._locked_by = connection
        answer = await workers.beat(connection, self.worker_id)
        if answer is None:
            self._declared_dead()
            return
        self._seen_at = time.monotonic()
        self.draining = answer.draining
        self._crew.review(answer.held)
        if answer.abandoned:
            await rescue(self._database)

    def _declared_dead(self) -> None:
        _log.error("worker_declared_dead", worker_id=self.worker_id, silent_seconds=round(self.silent_seconds, 1))
        self._crew.stop_all(Stop.LOST)
        self.worker_id = self._locked_by = None


async def rescue(database: Database) -> None:
    """Take back what nobody drives any more. Any number may do it at once: of two the fence lets one through."""
    abandoned = await jobs.find_abandoned(database.pool)
    endings = [outcome.of_abandoned(job, draw()) for job in abandoned]
    accepted = await jobs.settle(database.pool, endings)
    for job, ending in zip(abandoned, endings, strict=True):
        if job.id in accepted:
            _log.warning("job_rescued", job_id=job.id, kind=job.kind, lost=job.lost, verb=ending.verb)
