"""One attempt at a job: its handler, its end, and how it is stopped from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeAlias

from mediaanalysis import log
from mediaanalysis.errors import MediaAnalysisError, StaleJob
from mediaanalysis.store import jobs
from mediaanalysis.store.pool import Connection, Database
from mediaanalysis.structs.jobs import Ending, Job
from mediaanalysis.worker import outcome
from mediaanalysis.worker.chance import draw
from mediaanalysis.worker.endings import Endings

Finish: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Writes what a job gave, inside the transaction in which the job leaves the queue: both happen, or neither."""

Handler: TypeAlias = Callable[[Job, "Control"], Awaitable[Finish | None]]
"""Does the work of a kind of job. Raises MediaAnalysisError; is stopped by cancellation, at any await."""

_log = log.get("worker")


class Stop(StrEnum):
    """Why an attempt is stopped from outside."""

    CANCELLED = "cancelled"  # somebody asked for it
    OVERDUE = "overdue"  # no progress until the deadline
    RELEASED = "released"  # this process stops, or cannot be seen: others shall do it
    LOST = "lost"  # declared dead: the job belongs to others, nothing may be written


class Control:
    """What a handler may ask about its attempt."""

    __slots__ = ("_database", "_run")

    def __init__(self, run: Run, database: Database) -> None:
        self._run = run
        self._database = database

    @property
    def fence(self) -> int:
        return self._run.job.fence

    @property
    def cancelled(self) -> bool:
        """For work that cannot be interrupted at an await: look here now and then."""
        return self._run.stopped is not None

    async def report(self) -> None:
        """There is progress: the deadline moves on. Raises StaleJob where the job is no longer ours to run."""
        job = self._run.job
        if not await jobs.extend_deadline(self._database.pool, job.id, job.fence):
            raise StaleJob(f"job {job.id} was taken away from this worker")


class Run:
    """An attempt under way. `left` is called once, when the handler will do no more, with a word for how it ended."""

    __slots__ = ("_database", "_endings", "_finishing", "_left", "_task", "job", "started_at", "stopped")

    def __init__(self, job: Job, database: Database, endings: Endings, left: Callable[[Run, str], None]) -> None:
        self.job = job
        self.started_at = time.monotonic()
        self.stopped: Stop | None = None
        self._database = database
        self._endings = endings
        self._left = left
        self._finishing = False
        self._task: asyncio.Task[None] | None = None

    def start(self, loop: asyncio.AbstractEventLoop, handler: Handler) -> None:
        self._task = loop.create_task(self._attempt(handler))

    def stop(self, reason: Stop) -> None:
        """Cancel the handler: it kills its processes and calls on its way out. The first reason stands.

        Once results are being written, a cancel or the deadline comes too late.
        """
        late = self._finishing and reason in {Stop.CANCELLED, Stop.OVERDUE}
        if self.stopped is None and self._task is not None and not late:
            self.stopped = reason
            self._task.cancel()

    async def ended(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _attempt(self, handler: Handler) -> None:
        """Never raises: whatever happens becomes an ending."""
        verb = "complete"
        try:
            finish = await handler(self.job, Control(self, self._database))
            if finish is None:
                self._endings.complete(self.job)
            else:
                self._finishing = True
                await self._endings.finish(self.job, finish)
        except asyncio.CancelledError:
            verb = self._settle(self._ending_of_stop())
        except Exception as error:  # noqa: BLE001 - a fault in one job must not end the worker
            verb = self._settle(self._ending_of_error(error))
        finally:
            self._left(self, verb)

    def _settle(self, ending: Ending | None) -> str:
        if ending is None:
            return "stale"
        self._endings.settle(self.job.kind, ending)
        return ending.verb

    def _ending_of_stop(self) -> Ending | None:
        job = self.job
        if self.stopped is Stop.LOST:
            return None
        if self.stopped is Stop.OVERDUE:
            return outcome.of_deadline(job, draw())
        return Ending(job.id, job.fence, "cancel" if self.stopped is Stop.CANCELLED else "release")

    def _ending_of_error(self, error: Exception) -> Ending:
        ending = outcome.of_error(self.job, error, draw())
        fields = {"job_id": self.job.id, "kind": self.job.kind, "attempt": self.job.attempt, "verb": ending.verb}
        if isinstance(error, MediaAnalysisError) and error.code != "internal":
            _log.warning("job_failed", **fields, code=error.code, error=error.detail)
        else:
            _log.error("job_failed", **fields, exc_info=error)
        return ending
