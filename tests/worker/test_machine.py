"""The life of jobs against a model: whatever happens in whatever order, the database and the model agree.

Invariants: a job ends by exactly one accepted outcome; the fence only rises; nothing an old holder says is accepted; no
claim exceeds a limit or breaks a pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from mediaanalysis.settings import Settings
from mediaanalysis.store import jobs, workers
from mediaanalysis.store.pool import Database
from mediaanalysis.structs.jobs import Ending, NewJob
from mediaanalysis.worker import beat, outcome

OWNERS = [UUID(int=n) for n in (1, 2, 3)]
Answer = TypeVar("Answer")


@dataclass
class Model:
    """What one job should look like."""

    owner: UUID
    state: str = "queued"
    fence: int = 0
    attempt: int = 0
    crashes: int = 0
    worker: int | None = None
    cancelled: bool = False


@dataclass(frozen=True)
class Held:
    """What somebody believes to hold, rightly or not."""

    id: int
    fence: int


@dataclass
class World:
    loop: asyncio.AbstractEventLoop
    database: Database
    by_hand: Database
    jobs: dict[int, Model] = field(default_factory=dict)
    ended: dict[int, str] = field(default_factory=dict)

    def ask(self, question: Awaitable[Answer]) -> Answer:
        return self.loop.run_until_complete(question)  # type: ignore[arg-type]

    @property
    def db(self) -> Any:
        return self.database.pool


class Queue(RuleBasedStateMachine):
    world: World
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.world.jobs.clear()
        self.world.ended.clear()
        self.limits: dict[UUID, int] = {}
        self.paused: set[UUID] = set()
        for table in ("processing_jobs", "job_failures", "workers", "lanes"):
            self.do(f"delete from {table}")
        self.workers = [self.register() for _ in range(2)]

    def do(self, statement: str, *arguments: object) -> None:
        """By hand, as an operator."""
        self.world.ask(self.world.by_hand.pool.execute(statement, *arguments))

    def register(self) -> int:
        return self.world.ask(workers.register(self.world.db, ["work"], 4, 20))

    @rule(owner=st.sampled_from(OWNERS), count=st.integers(1, 3))
    def enqueue(self, owner: UUID, count: int) -> None:
        for job_id in self.world.ask(jobs.enqueue(self.world.db, [NewJob("work", owner)] * count)):
            self.world.jobs[job_id] = Model(owner)

    @rule(target=held, which=st.integers(0, 1), free=st.integers(1, 4))
    def claim(self, which: int, free: int) -> Any:
        worker = self.workers[which]
        claimed = [each.job for each in self.world.ask(jobs.claim(self.world.db, worker, ["work"], free))]
        assert len(claimed) <= free
        waiting = [job.owner for job in self.world.jobs.values() if job.state == "queued" and self.may_run(job.owner)]
        assert claimed or not waiting
        for job in claimed:
            model = self.world.jobs[job.id]
            assert model.state == "queued"
            assert self.may_run(model.owner)
            model.state, model.worker = "running", worker
            model.fence += 1
            model.attempt += 1
            assert (job.fence, job.attempt) == (model.fence, model.attempt)
        return multiple(*(Held(job.id, job.fence) for job in claimed))

    def may_run(self, owner: UUID) -> bool:
        running = sum(job.state == "running" and job.owner == owner for job in self.world.jobs.values())
        return owner not in self.paused and running < self.limits.get(owner, 1000)

    @rule(held=held)
    def complete(self, held: Held) -> None:
        model = self.world.jobs.get(held.id)
        accepted = self.world.ask(jobs.complete(self.world.db, [(held.id, held.fence)]))
        assert bool(accepted) == (self.is_ours(held) and not (model and model.cancelled))
        if accepted:
            self.end(held.id, "done")

    @rule(held=held, verb=st.sampled_from(["fail", "cancel", "retry", "defer", "release", "crash"]))
    def settle(self, held: Held, verb: str) -> None:
        ours = self.is_ours(held)
        ending = Ending(held.id, held.fence, verb, code="internal", message="for a test")
        assert bool(self.world.ask(jobs.settle(self.world.db, [ending]))) == ours
        if ours:
            self.follow(held.id, verb)

    def is_ours(self, held: Held) -> bool:
        model = self.world.jobs.get(held.id)
        return model is not None and model.state == "running" and model.fence == held.fence

    def follow(self, job_id: int, verb: str) -> None:
        model = self.world.jobs[job_id]
        if verb in {"fail", "cancel"} or model.cancelled:
            self.end(job_id, "failed" if verb == "fail" else "cancelled")
            return
        model.state, model.worker = "queued", None
        model.fence += 1
        model.attempt -= verb != "retry"
        model.crashes += verb == "crash"

    def end(self, job_id: int, how: str) -> None:
        assert job_id not in self.world.ended
        self.world.ended[job_id] = how
        del self.world.jobs[job_id]

    @rule(held=held)
    def ask_for_cancel(self, held: Held) -> None:
        self.do("update processing_jobs set cancel_requested_at = now() where id = $1 and state = 'running'", held.id)
        if (model := self.world.jobs.get(held.id)) and model.state == "running":
            model.cancelled = True

    @rule(which=st.integers(0, 1))
    def lose_a_worker(self, which: int) -> None:
        """Frozen, cut off or killed: buried by another's beat, its jobs taken back; it returns as a new worker."""
        lost, other = self.workers[which], self.workers[1 - which]
        self.do("update workers set seen_at = now() - interval '1 hour' where id = $1", lost)
        self.do("update workers set lease_seconds = 0.001")  # the database is up for longer than that
        answer = self.world.ask(workers.beat(self.world.db, other))
        assert answer is not None
        self.world.ask(beat.rescue(self.world.database))
        assert self.world.ask(workers.beat(self.world.db, lost)) is None
        for job_id, model in list(self.world.jobs.items()):
            if model.worker == lost:
                self.follow(job_id, "fail" if model.crashes + 1 == outcome.CRASHES_MAX else "crash")
        self.workers[which] = self.register()

    @rule(owner=st.sampled_from(OWNERS), limit=st.integers(0, 3))
    def limit(self, owner: UUID, limit: int) -> None:
        self.do("select ops.set_limit($1, $2)", str(owner), limit)
        self.limits[owner] = limit

    @rule(owner=st.sampled_from(OWNERS))
    def pause_or_resume(self, owner: UUID) -> None:
        self.do(f"select ops.{'resume' if owner in self.paused else 'pause'}($1)", str(owner))
        self.paused ^= {owner}

    @rule()
    def redrive(self) -> None:
        failed = {job_id for job_id, how in self.world.ended.items() if how == "failed"}
        before = set(self.world.jobs)
        assert self.world.ask(self.world.by_hand.pool.fetchval("select ops.redrive('work')")) == len(failed)
        for job_id in failed:
            self.world.ended[job_id] = "redriven"
        for row in self.world.ask(self.world.db.fetch("select id, owner_id from processing_jobs")):
            if row["id"] not in before:
                self.world.jobs[row["id"]] = Model(row["owner_id"])

    @invariant()
    def database_agrees(self) -> None:
        columns = "owner_id, state, fence, attempt, crashes, worker_id, cancel_requested_at is not null"
        rows = self.world.ask(self.world.db.fetch(f"select id, {columns} from processing_jobs"))
        assert {row["id"]: Model(*list(row)[1:]) for row in rows} == self.world.jobs


@pytest.fixture
def world(dsn: str, operator_dsn: str) -> Iterator[World]:
    loop = asyncio.new_event_loop()
    database, by_hand = (
        loop.run_until_complete(Database.open(Settings(pool_min=1, pool_max=2), each)) for each in (dsn, operator_dsn)
    )
    yield World(loop, database, by_hand)
    for each in (by_hand, database):
        loop.run_until_complete(each.aclose())
    loop.close()


def test_the_database_behaves_as_the_model(world: World) -> None:
    Queue.world = world
    chosen = settings(
        max_examples=60,
        stateful_step_count=30,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Queue, settings=chosen)  # type: ignore[no-untyped-call]
