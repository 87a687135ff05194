"""How attempts ended, on the way to the database: what waits goes in one statement when the one before returned.

So a lone ending leaves at once and a crowd shares a commit, without a timer. While the database is away endings wait
here; each carries its fence, so one that comes too late, or twice, changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mediaanalysis import log
from mediaanalysis.errors import StaleJob, StoreError
from mediaanalysis.metrics import Metrics
from mediaanalysis.store import jobs
from mediaanalysis.store.faults import answered_within
from mediaanalysis.store.pool import Connection, Database
from mediaanalysis.structs.jobs import Ending, Job
from mediaanalysis.worker.watch import ANSWER_SECONDS, Watch

BATCH_MAX = 500
RETRY_SECONDS = 0.5
FINISH_SECONDS = 30.0
REFUSED = "its end could not be written down"

_log = log.get("worker")


class Endings:
    """The way out of the worker. Written by `write`, which must be running."""

    def __init__(self, database: Database, metrics: Metrics, written: Callable[[], None]) -> None:
        """`written` is called after each round of writing."""
        self._database = database
        self._metrics = metrics
        self._was_written = written
        self._done: dict[int, Job] = {}
        self._other: dict[int, tuple[str, Ending]] = {}
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._done) + len(self._other)

    def keys(self) -> set[tuple[int, int]]:
        """(id, fence) of what waits."""
        done = {(job.id, job.fence) for job in self._done.values()}
        return done | {(ending.id, ending.fence) for _, ending in self._other.values()}

    def complete(self, job: Job) -> None:
        """The job is done and has nothing to write."""
        self._done[job.id] = job
        self._announce()

    def settle(self, kind: str, ending: Ending) -> None:
        """Any other end of a job of this kind."""
        self._other[ending.id] = (kind, ending)
        self._announce()

    async def finish(self, job: Job, write: Callable[[Connection], Awaitable[None]]) -> None:
        """The job is done, and what it gave is written in the transaction that removes it: both, or neither.

        Tries again for as long as the database is away. Raises StaleJob where the job is no longer ours.
        """
        while True:
            try:
                async with answered_within(FINISH_SECONDS), self._database.transaction() as connection:
                    if not await jobs.complete(connection, [(job.id, job.fence)]):
                        raise StaleJob(f"job {job.id} was taken away before its end")
                    await write(connection)
            except StoreError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def write(self, watch: Watch) -> None:
        """Write what waits, for ever. Raises StoreError; what was not written still waits, for the next call."""
        while True:
            if self._done or self._other:
                self._arrived.set()
            else:
                self._empty.set()
            watch.idle()
            await self._arrived.wait()
            watch.busy()
            self._arrived.clear()
            await self._write_done()
            await self._write_other()
            self._was_written()

    async def written(self) -> None:
        """Wait until nothing waits."""
        await self._empty.wait()

    def _announce(self) -> None:
        self._empty.clear()
        self._arrived.set()

    async def _write_done(self) -> None:
        batch = list(self._done.values())[:BATCH_MAX]
        if not batch:
            return
        async with answered_within(ANSWER_SECONDS):
            accepted = await jobs.complete(self._database.pool, [(job.id, job.fence) for job in batch])
        for job in batch:
            del self._done[job.id]
        for job in batch if len(accepted) < len(batch) else ():
            if job.id not in accepted:  # cancelled in the last moment, or taken away
                self._other[job.id] = (job.kind, Ending(job.id, job.fence, "cancel"))

    async def _write_other(self) -> None:
        batch = list(self._other.values())[:BATCH_MAX]
        if not batch:
            return
        accepted = await self._settle([ending for _, ending in batch])
        for kind, ending in batch:
            if self._other[ending.id][1] is ending:  # not of a later attempt
                del self._other[ending.id]
            if ending.id not in accepted:
                self._metrics.jobs_stale.labels(kind).inc()
                _log.warning("job_stale", job_id=ending.id, kind=kind, fence=ending.fence, verb=ending.verb)

    async def _settle(self, endings: Sequence[Ending]) -> set[int]:
        """An ending that the database refuses must not hold up the others, nor its job."""
        try:
            async with answered_within(ANSWER_SECONDS):
                return await jobs.settle(self._database.pool, endings)
        except StoreError as error:
            if error.retryable:
                raise
            _log.exception("endings_refused", jobs=[ending.id for ending in endings])
        plain = [Ending(each.id, each.fence, "fail", code="internal", message=REFUSED) for each in endings]
        if len(endings) == 1:
            return await jobs.settle(self._database.pool, plain)
        return set().union(*[await self._settle([each]) for each in endings])
