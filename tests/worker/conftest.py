"""Workers on a real database. `start` runs as many as a test wants, and stops them when it ends."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from mediaanalysis import migrate
from mediaanalysis.metrics import Metrics
from mediaanalysis.settings import Settings
from mediaanalysis.store import embedded, jobs
from mediaanalysis.store.embedded import Embedded
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.store.schedules import Schedule
from mediaanalysis.store.signals import Signals
from mediaanalysis.structs.jobs import NewJob
from mediaanalysis.worker import Handler, Worker
from tests.databases import SERVICE

OWNER = UUID(int=5)

Start = Callable[..., Awaitable[Worker]]


async def eventually(condition: Callable[[], Any], within_seconds: float = 8.0) -> Any:
    """The first true answer of `condition`, which may be a coroutine function. Fails when the time is up."""
    deadline = asyncio.get_running_loop().time() + within_seconds
    while True:
        answer = condition()
        answer = await answer if asyncio.iscoroutine(answer) else answer
        if answer:
            return answer
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_seconds} s"
        await asyncio.sleep(0.005)


async def new_analysis(db: Pool) -> UUID:
    """An analysis that waits, with its job."""
    added = "insert into media_analysis_requests (owner_id, prompt, prompt_hash) values ($1, 'why', $2) returning id"
    analysis_id: UUID = await db.fetchval(added, OWNER, "a" * 64)
    await jobs.enqueue(db, [NewJob("analyze", OWNER, analysis_id)])
    return analysis_id


@pytest_asyncio.fixture
async def start(database: Database) -> AsyncIterator[Start]:
    running: list[tuple[Worker, asyncio.Task[None]]] = []
    async with await Signals.open(database) as signals:

        async def start_worker(
            handlers: Mapping[str, Handler],
            *,
            slots: int = 4,
            grace_seconds: float = 0.2,
            schedules: Sequence[Schedule] = (),
            lease_seconds: float = 20.0,
        ) -> Worker:
            services: Any = SimpleNamespace(
                settings=Settings(worker_slots=slots, stop_grace_seconds=grace_seconds),
                database=database,
                metrics=Metrics(),
                signals=signals,
            )
            worker = Worker(services, handlers, schedules=schedules, lease_seconds=lease_seconds)
            running.append((worker, asyncio.create_task(worker.run())))
            await eventually(lambda: worker.health().ready)
            return worker

        yield start_worker
        for worker, task in running:
            worker.stop()
            await task


@pytest.fixture(scope="session")
def own_server() -> Iterator[Embedded]:
    """A durable server that a test may restart."""
    place = Path(tempfile.mkdtemp(prefix="mediaanalysis-chaos-"))
    place.chmod(0o755)
    server = embedded.start(place)
    migrate.apply(server.dsn)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"alter role {SERVICE} login password '{urlsplit(server.dsn).password}'")
    yield server
    server.stop()
    shutil.rmtree(place)
