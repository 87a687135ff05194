"""The worker: claims what fits its free slots, runs it, sleeps until woken, and stops in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from mediaanalysis import log
from mediaanalysis.errors import StoreError
from mediaanalysis.services import Services
from mediaanalysis.store import jobs, workers
from mediaanalysis.store.faults import answered_within
from mediaanalysis.store.jobs import Claimed
from mediaanalysis.store.schedules import Schedule
from mediaanalysis.store.signals import CANCEL, JOBS
from mediaanalysis.store.workers import Held
from mediaanalysis.structs.health import WorkerHealth
from mediaanalysis.structs.jobs import Ending
from mediaanalysis.worker.beat import Beat
from mediaanalysis.worker.endings import Endings
from mediaanalysis.worker.ring import Ring
from mediaanalysis.worker.run import Handler, Run, Stop
from mediaanalysis.worker.sweep import SCHEDULES, Clock
from mediaanalysis.worker.timing import Timing
from mediaanalysis.worker.wake import Wake
from mediaanalysis.worker.watch import ANSWER_SECONDS, Watch

LEASE_SECONDS = 20.0
FLUSH_SECONDS = 5.0

_log = log.get("worker")


class Worker:
    """Runs jobs of the kinds it has handlers for, `settings.worker_slots` at once. One per process.

    A job runs again after a crash, so handlers may run twice; what they return to be written is written once.
    """

    def __init__(
        self,
        services: Services,
        handlers: Mapping[str, Handler],
        *,
        schedules: Sequence[Schedule] = SCHEDULES,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.kinds = sorted(handlers)
        self.slots = services.settings.worker_slots
        self._services = services
        self._handlers = handlers
        self._runs: dict[int, Run] = {}
        self._ring = Ring()
        self._timing = Timing(services.metrics)
        self._wake = Wake()
        self._backlog = False
        self._doubtful: set[tuple[int, int]] = set()
        self._claiming = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._endings = Endings(services.database, services.metrics, self._look_if_backlog)
        self._beat = Beat(services.database, self, lease_seconds)
        self._clock = Clock(services.database, [each for each in schedules if each.kind in handlers])
        self._parts: dict[Watch, Callable[[Watch], Awaitable[None]]] = {
            Watch("beat"): self._beat.run,
            Watch("guard"): self._beat.guard,
            Watch("endings"): self._endings.write,
            Watch("clock"): self._clock.run,
            Watch("claim"): self._claim,
        }

    async def run(self) -> None:
        """Work until `stop`, then finish or hand back what runs. Does not raise while the database is away."""
        self._services.signals.subscribe(JOBS, self._wake.hint)
        self._services.signals.subscribe(CANCEL, self._on_cancel)
        async with asyncio.TaskGroup() as group:
            kept = {watch.name: group.create_task(watch.keep(body)) for watch, body in self._parts.items()}
            try:
                await self._stopping.wait()
            finally:
                await self._leave()
                for task in kept.values():
                    task.cancel()

    def stop(self) -> None:
        """Claim no more, and let `run` return when everything that runs is finished or handed back."""
        self._stopping.set()

    def wake(self) -> None:
        """There is a reason to look for work now."""
        self._wake.hint()

    def health(self) -> WorkerHealth:
        return WorkerHealth(
            ready=self._beat.worker_id is not None and not self.faults and not self._stopping.is_set(),
            worker_id=self._beat.worker_id,
            slots=self.slots,
            running=len(self._runs),
            draining=self._beat.draining or self._stopping.is_set(),
            silent_seconds=self._beat.silent_seconds,
            restarts=sum(watch.restarts for watch in self._parts),
            faults=self.faults,
        )

    @property
    def faults(self) -> dict[str, str]:
        return {watch.name: watch.fault or "stalled" for watch in self._parts if watch.fault or watch.stalled}

    async def _claim(self, watch: Watch) -> None:
        while True:
            watch.busy()
            self._wake.listen()
            async with self._claiming:
                found_work = await self._claim_once()
            watch.idle()
            if not found_work:
                await self._wake.wait()

    async def _claim_once(self) -> bool:
        """Fill the free slots. Whether to look again at once: there was work, or we have only now been marked idle,
        and work that was added just before has notified nobody.
        """
        free, worker_id = self._free(), self._beat.worker_id
        if free <= 0 or worker_id is None or self._beat.draining or self._stopping.is_set():
            return False
        began = time.monotonic()
        self._ring.look(began)
        pool, ring = self._services.database.pool, self._ring
        async with answered_within(ANSWER_SECONDS):
            claimed = await jobs.claim(
                pool, worker_id, self.kinds, free, served=ring.served, floors=ring.floors.items()
            )
        self._ring.note(claimed, time.monotonic() - began)
        self._start(claimed)
        was_backlog, self._backlog = self._backlog, len(claimed) == free
        return was_backlog or bool(claimed)

    def _free(self) -> int:
        """Slots to fill. Endings that wait to be written hold none, up to as many as there are slots."""
        waiting = max(0, len(self._endings) - self.slots)
        return self.slots - len(self._runs) - waiting

    def _look_if_backlog(self) -> None:
        """The last claim may have left something behind."""
        if self._backlog:
            self._wake.hint()

    def _start(self, claimed: Sequence[Claimed]) -> None:
        now, loop = time.time(), asyncio.get_running_loop()
        for each in claimed:
            job = each.job
            self._timing.waited(job.kind, now - each.run_at.timestamp())
            run = self._runs[job.id] = Run(job, self._services.database, self._endings, self._left)
            run.start(loop, self._handlers[job.kind])

    def _left(self, run: Run, verb: str) -> None:
        job = run.job
        if self._runs.get(job.id) is run:
            del self._runs[job.id]
        self._timing.ended(job.kind, verb, time.monotonic() - run.started_at)
        self._look_if_backlog()

    def review(self, held: Sequence[Held]) -> None:
        """What the database says we run: stop what must stop. Where it and we differ, twice in a row, it is right:
        what we do not know is given back (a claim whose answer was lost), what it does not know is dropped.
        """
        theirs = {(each.id, each.fence) for each in held}
        leaving = self._endings.keys()
        lost = self._doubtful - leaving
        ours = {(run.job.id, run.job.fence): run for run in self._runs.values()}
        for each in held:
            run = ours.get((each.id, each.fence))
            if run is not None and (each.cancelled or each.overdue):
                run.stop(Stop.CANCELLED if each.cancelled else Stop.OVERDUE)
            elif run is None and (each.id, each.fence) in lost:
                self._endings.settle(each.kind, Ending(each.id, each.fence, "release"))
        for right in (ours.keys() - theirs) & self._doubtful:
            ours[right].stop(Stop.LOST)
        self._doubtful = (theirs ^ ours.keys()) - leaving

    def stop_all(self, reason: Stop) -> None:
        for run in list(self._runs.values()):
            run.stop(reason)

    def _on_cancel(self, payload: str) -> None:
        """`id fence` of a running job, maybe ours."""
        job_id, _, fence = payload.partition(" ")
        run = self._runs.get(int(job_id))
        if run is not None and str(run.job.fence) == fence:
            run.stop(Stop.CANCELLED)

    async def _leave(self) -> None:
        """Finish within the grace time, hand the rest back, be no worker any more."""
        pool, worker_id = self._services.database.pool, self._beat.worker_id
        if self._runs:
            grace_seconds = self._services.settings.stop_grace_seconds
            _log.info("worker_stopping", running=len(self._runs), grace_seconds=grace_seconds)
        with suppress(StoreError):
            if worker_id is not None:
                await workers.drain(pool, worker_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._services.settings.stop_grace_seconds):
                async with self._claiming:  # a claim that is on its way comes home first
                    pass
                await self._ended()
        self.stop_all(Stop.RELEASED)
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._ended()
                await self._endings.written()
                if worker_id is not None:
                    await workers.remove(pool, worker_id)
        _log.info("worker_stopped", worker_id=worker_id, running=len(self._runs))

    async def _ended(self) -> None:
        for run in list(self._runs.values()):
            await run.ended()
