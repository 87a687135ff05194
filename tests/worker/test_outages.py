"""A database that goes away, each time in another way, under a worker with jobs in hand.

Meanwhile the worker says that it is not ready; afterwards work resumes within five seconds, no job is lost or done
twice, and hints are heard again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from mediaanalysis.metrics import Metrics
from mediaanalysis.settings import Settings
from mediaanalysis.store import embedded, signals
from mediaanalysis.store.embedded import Embedded
from mediaanalysis.store.pool import Connection, Database
from mediaanalysis.store.signals import Signals
from mediaanalysis.structs.jobs import Job
from mediaanalysis.worker import Control, Finish, Worker
from mediaanalysis.worker.beat import GUARD_SHARE
from mediaanalysis.worker.loop import LEASE_SECONDS
from tests.databases import SERVICE, as_service
from tests.worker.conftest import eventually
from tests.worker.proxy import Proxy

OPERATOR = {"default_transaction_read_only": "off"}
OTHERS = "from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'"


@dataclass
class Scene:
    """A worker whose jobs wait for `gate`, and wrote a line into `ledger` when they ended."""

    server: Embedded
    proxy: Proxy
    worker: Worker
    ear: Signals
    begun: list[int]
    gate: asyncio.Event

    async def ask(self, statement: str) -> Any:
        """As an operator, on a connection of its own."""
        connection = await asyncpg.connect(self.server.dsn, server_settings=OPERATOR)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def ended(self) -> int:
        """-1 while the database is away."""
        try:
            return int(await self.ask("select count(*) from ledger"))
        except (asyncpg.PostgresError, OSError):
            return -1


async def prepare(dsn: str) -> None:
    """An empty queue, and a ledger that the service may write in."""
    connection = await asyncpg.connect(dsn, server_settings=OPERATOR)
    for table in ("processing_jobs", "job_failures", "workers", "lanes"):
        await connection.execute(f"delete from {table}")
    await connection.execute("drop table if exists ledger; create table ledger (job_id bigint)")
    await connection.execute(f"grant insert on ledger to {SERVICE}")
    await connection.close()


@pytest_asyncio.fixture
async def scene(own_server: Embedded, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(signals, "_PROBE_SECONDS", 0.5)
    monkeypatch.setattr(signals, "_PROBE_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("mediaanalysis.worker.beat.ANSWER_SECONDS", 1.0)
    monkeypatch.setattr("mediaanalysis.worker.loop.ANSWER_SECONDS", 1.0)
    monkeypatch.setattr("mediaanalysis.worker.endings.ANSWER_SECONDS", 1.0)
    monkeypatch.setattr("mediaanalysis.worker.endings.FINISH_SECONDS", 1.0)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(own_server._server.socket_dir / embedded._SOCKET))
        settings = Settings(worker_slots=4, stop_grace_seconds=1, pool_min=2, pool_max=6)
        login = as_service(own_server.dsn).partition("@")[0]
        dsn = f"{login}@127.0.0.1:{proxy.port}/mediaanalysis"
        database = await stack.enter_async_context(await Database.open(settings, dsn))
        await prepare(own_server.dsn)
        ear = await stack.enter_async_context(await Signals.open(database))
        services: Any = SimpleNamespace(settings=settings, database=database, metrics=Metrics(), signals=ear)
        begun: list[int] = []
        gate = asyncio.Event()

        async def work(job: Job, _control: Control) -> Finish:
            begun.append(job.id)
            await gate.wait()

            async def write(connection: Connection) -> None:
                await connection.execute("insert into ledger values ($1)", job.id)

            return write

        worker = Worker(services, {"work": work}, schedules=())
        running = asyncio.create_task(worker.run())
        await eventually(lambda: worker.health().ready)
        yield Scene(own_server, proxy, worker, ear, begun, gate)
        gate.set()
        worker.stop()
        await running


@asynccontextmanager
async def outage(scene: Scene, seconds: float) -> AsyncIterator[None]:
    """The server dies and stays away: nobody may start it meanwhile."""
    with embedded._gate(scene.server._server.home):
        await asyncio.to_thread(scene.server._server.pg_ctl, "stop", "--mode=immediate")
        yield
        await asyncio.sleep(seconds)
        await asyncio.to_thread(embedded._start, scene.server._server, durable=True)


@asynccontextmanager
async def read_only(scene: Scene) -> AsyncIterator[None]:
    """As after a failover, under sessions that go on."""
    await scene.ask("alter system set default_transaction_read_only = on")
    await scene.ask("select pg_reload_conf()")
    yield
    await scene.ask("alter system reset default_transaction_read_only")
    await scene.ask("select pg_reload_conf()")


@asynccontextmanager
async def storm(scene: Scene) -> AsyncIterator[None]:
    """Others hold every connection there is, after ours were cut."""
    crowd: list[asyncpg.Connection] = []
    async with AsyncExitStack() as stack:
        with suppress(asyncpg.TooManyConnectionsError, asyncpg.PostgresError, OSError):
            while True:
                crowd.append(await asyncpg.connect(scene.server.dsn))
                stack.push_async_callback(crowd[-1].close)
        theirs = [each.get_server_pid() for each in crowd]
        await crowd[0].execute(f"select pg_terminate_backend(pid) {OTHERS} and pid <> all(array{theirs})")
        with suppress(asyncpg.PostgresError, OSError):
            while True:
                crowd.append(await asyncpg.connect(scene.server.dsn))
                stack.push_async_callback(crowd[-1].close)
        yield


@asynccontextmanager
async def silence(scene: Scene) -> AsyncIterator[None]:
    scene.proxy.go_silent()
    yield


@asynccontextmanager
async def slaughter(scene: Scene) -> AsyncIterator[None]:
    await scene.ask(f"select count(pg_terminate_backend(pid)) {OTHERS}")
    yield


WAYS: list[Any] = [
    pytest.param(lambda scene: outage(scene, 1.0), id="outage"),
    pytest.param(lambda scene: outage(scene, 30.0), id="long outage", marks=pytest.mark.slow),
    pytest.param(read_only, id="read-only"),
    pytest.param(storm, id="connection storm"),
    pytest.param(silence, id="half-open"),
    pytest.param(slaughter, id="every backend terminated"),
]


@pytest.mark.parametrize("disturbed", WAYS)
async def test_work_resumes_when_the_database_is_back(
    scene: Scene, disturbed: Callable[[Scene], AbstractAsyncContextManager[None]]
) -> None:
    await scene.ask("select count(ops.enqueue('work')) from generate_series(1, 6)")
    await eventually(lambda: len(scene.begun) == 4)
    left_at = asyncio.get_running_loop().time()
    async with disturbed(scene):
        await eventually(lambda: not scene.worker.health().ready)
        scene.gate.set()
    returned_at = asyncio.get_running_loop().time()
    await eventually(scene_is_done(scene, 6))
    assert asyncio.get_running_loop().time() - returned_at < 5
    await eventually(lambda: scene.worker.health().ready and scene.ear.alive)
    assert await scene.ask("select count(distinct job_id) from ledger") == 6
    if returned_at - left_at < LEASE_SECONDS * GUARD_SHARE:  # unseen for longer it stops its jobs, to run them again
        assert sorted(scene.begun) == sorted(set(scene.begun))
    await eventually(lambda: scene.ask("select bool_or(idle) from workers"))
    asked_at = asyncio.get_running_loop().time()
    await scene.ask("select ops.enqueue('work')")
    await eventually(scene_is_done(scene, 7))
    assert asyncio.get_running_loop().time() - asked_at < 0.9, "it was polled for, not heard of"
    assert await scene.ask("select count(*) from processing_jobs") == 0


def scene_is_done(scene: Scene, count: int) -> Callable[[], Any]:
    async def done() -> bool:
        return await scene.ended() == count

    return done
