"""Two services on one database: what is agreed with a provider holds for both together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest_asyncio

from mediaanalysis.app import in_process
from mediaanalysis.settings import Settings
from mediaanalysis.store.pool import Database, Pool
from tests.analysis.conftest import finished
from tests.analysis.vendors.fake import GOOD, Asked, Vendor, failed, fake_vendors, said
from tests.databases import as_operator, own_database
from tests.worker.conftest import eventually

COUNT = 8


class Pair:
    """Clients of two services with a worker each, the vendor behind both, and their database."""

    def __init__(self, clients: list[httpx.AsyncClient], vendor: Vendor, db: Pool) -> None:
        self.clients = clients
        self.vendor = vendor
        self.db = db

    async def submit(self, number: int) -> str:
        files = {"file": ("text.txt", f"Text number {number}.".encode())}
        accepted = await self.clients[0].post("/api/media/analyze", data={"prompt": "What is it?"}, files=files)
        return str(accepted.json()["analysis_id"])


@pytest_asyncio.fixture
async def pair(server: str, tmp_path: Path) -> AsyncIterator[Pair]:
    with own_database(server, "limits") as dsn:
        settings = Settings(database_url=dsn, data_dir=tmp_path, pool_min=1, worker_slots=COUNT // 2)
        async with AsyncExitStack() as stack:
            vendor, clients = Vendor(), []
            for _ in range(2):
                known = fake_vendors(tmp_path)
                app = await stack.enter_async_context(in_process(settings, dsn, known, network=vendor))
                client = httpx.AsyncClient(base_url="http://test", transport=httpx.ASGITransport(app))
                clients.append(await stack.enter_async_context(client))
            database = await stack.enter_async_context(await Database.open(settings, as_operator(dsn)))
            await eventually(lambda: database.pool.fetchval("select count(*) = 2 from workers"))
            yield Pair(clients, vendor, database.pool)


async def test_a_limit_of_calls_is_exact_over_all_workers(pair: Pair) -> None:
    running = most = 0
    gate = asyncio.Event()

    async def say(_asked: Asked) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return said(GOOD)

    pair.vendor.say = say
    await pair.db.execute("select ops.set_limit('fake', 2, 'provider')")
    analyses = [await pair.submit(number) for number in range(COUNT)]
    asking = "select count(*) = $1 from analysis_stages where stage = 'answer' and chunk = 0 and state = 'running'"
    await eventually(lambda: pair.db.fetchval(asking, COUNT))
    await eventually(lambda: running == 2)
    assert await pair.db.fetchval("select count(distinct worker_id) from processing_jobs") == 2
    seen = await pair.db.fetchrow("select running, max_running from ops.providers where provider = 'fake'")
    assert seen is not None
    assert tuple(seen) == (2, 2)
    gate.set()
    results = await asyncio.gather(*(finished(pair.clients[0], each) for each in analyses))
    assert {each["status"] for each in results} == {"completed"}
    assert most == 2
    assert await pair.db.fetchval("select count(*) from provider_turns") == 0


async def test_who_asked_one_worker_for_rest_is_left_alone_by_the_other(pair: Pair) -> None:
    pair.vendor.say = lambda _: failed(429, "slow down", **{"retry-after": "90"})
    first = await pair.submit(1)
    waiting = "select true from processing_jobs where request_id = $1 and run_at > now() + interval '60 s'"
    await eventually(lambda: pair.db.fetchval(waiting, first))
    busy = "update workers set draining = (id = (select min(id) from workers)) returning draining"
    assert {row["draining"] for row in await pair.db.fetch(busy)} == {True, False}
    pair.vendor.say = lambda _: said(GOOD)
    for each in (await pair.submit(2), await pair.submit(3)):
        await eventually(lambda each=each: pair.db.fetchval(waiting, each))
    await pair.db.execute("update workers set draining = not draining")
    fourth = await pair.submit(4)
    await eventually(lambda: pair.db.fetchval(waiting, fourth))
    assert len(pair.vendor.asked) == 1
    attempts = await pair.db.fetch("select attempt from processing_jobs order by id")
    assert [row["attempt"] for row in attempts] == [1, 0, 0, 0]
    why = await pair.db.fetchval("select ops.why($1)", fourth)
    assert "asked to be left alone" in why
