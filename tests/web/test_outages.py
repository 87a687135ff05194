"""The edge while the database is away: known answers with their age, no new work; all of it back without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp, Message

from mediaanalysis.settings import Settings
from mediaanalysis.store.embedded import _SOCKET
from mediaanalysis.store.health import Health
from mediaanalysis.store.pool import Database
from tests.storage.samples import files_under
from tests.worker.conftest import eventually
from tests.worker.proxy import Proxy

Submit = Callable[..., Awaitable[UUID]]
Become = Callable[[UUID, str], Awaitable[None]]

MEBIBYTE = 1024 * 1024
BOUNDARY = "b"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
FORM_HEAD = (
    f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nWhat?\r\n'
    f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
).encode()
BODY = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4"}


@pytest_asyncio.fixture
async def wire(process_dsn: str) -> AsyncIterator[Proxy]:
    async with Proxy(Path(parse_qs(urlsplit(process_dsn).query)["host"][0]) / _SOCKET) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def database(wire: Proxy, dsn: str) -> AsyncIterator[Database]:
    """In place of the one that the whole room shares: through a wire that can be cut."""
    through = f"postgresql://postgres@127.0.0.1:{wire.port}/{urlsplit(dsn).path[1:]}"
    async with await Database.open(Settings(pool_min=1, pool_max=10, pool_acquire_seconds=2), through) as opened:
        yield opened


@pytest.fixture
def settings(dsn: str, tmp_path: Path) -> Settings:
    return Settings(database_url=dsn, data_dir=tmp_path, upload_max_bytes=64 * MEBIBYTE)


@pytest.fixture
def go(wire: Proxy, database: Database) -> Callable[[], Awaitable[None]]:
    """The database goes away, and this process finds out."""

    async def away() -> None:
        wire.cut()
        await eventually(lambda: database.health.state is Health.OFFLINE)

    return away


async def test_what_is_known_is_answered_with_its_age_and_all_else_refused(
    client: httpx.AsyncClient, submit: Submit, become: Become, go: Callable[[], Awaitable[None]], wire: Proxy
) -> None:
    known, unknown = await submit(), await submit()
    await become(known, "completed")
    paths = [f"/api/media/status/{known}", f"/api/media/{known}"]
    before = [await client.get(path) for path in paths]
    await go()
    for path, fresh in zip(paths, before, strict=True):
        stale = await client.get(path)
        assert (stale.status_code, stale.content, stale.headers["etag"]) == (200, fresh.content, fresh.headers["etag"])
        assert stale.headers["age"].isdecimal()
        assert stale.headers["cache-status"] == f"mediaanalysis; hit; ttl={-int(stale.headers['age'])}; detail=stale"
        unchanged = await client.get(path, headers={"if-none-match": fresh.headers["etag"]})
        assert (unchanged.status_code, "age" in unchanged.headers) == (304, True)
    refused = [
        await client.get(f"/api/media/status/{unknown}"),
        await client.get(f"/api/media/{known}/frames"),
        await client.get("/api/media/history"),
        await client.post("/api/media/analyze", json=BODY),
        await client.post(f"/api/media/{unknown}/cancel"),
    ]
    assert {(each.status_code, each.json()["code"]) for each in refused} == {(503, "database_unavailable")}
    assert all(1 <= int(each.headers["retry-after"]) <= 5 for each in refused)
    wire.restore()
    await eventually(lambda: _answers(client, f"/api/media/status/{unknown}"))
    again = await client.get(paths[0])
    assert (again.status_code, "age" in again.headers) == (200, False)
    assert (await client.post("/api/media/analyze", json=BODY)).status_code == 202


async def _answers(client: httpx.AsyncClient, path: str) -> bool:
    return (await client.get(path)).status_code == 200


async def test_readiness_and_the_gauge_tell_the_state(
    client: httpx.AsyncClient, go: Callable[[], Awaitable[None]]
) -> None:
    assert (await client.get("/health/ready")).json()["parts"]["database"] == {"state": "ok", "detail": "available"}
    assert 'mediaanalysis_database_health{state="available"} 1.0' in (await client.get("/metrics")).text
    await go()
    ready = await client.get("/health/ready")
    part = ready.json()["parts"]["database"]
    assert (ready.status_code, part["state"], part["detail"].partition(":")[0]) == (503, "failed", "offline")
    assert (await client.get("/health")).status_code == 200
    metrics = (await client.get("/metrics")).text
    assert 'mediaanalysis_database_health{state="offline"} 1.0' in metrics
    assert 'mediaanalysis_database_health{state="available"} 0.0' in metrics


async def test_a_change_that_may_have_been_made_takes_the_known_answer_away(
    client: httpx.AsyncClient, submit: Submit, become: Become, go: Callable[[], Awaitable[None]]
) -> None:
    analysis_id = await submit()
    await become(analysis_id, "completed")
    path = f"/api/media/status/{analysis_id}"
    assert (await client.get(path)).status_code == 200
    await go()
    assert (await client.get(path)).status_code == 200
    assert (await client.delete(f"/api/media/{analysis_id}")).status_code == 503
    assert (await client.get(path)).status_code == 503


async def test_a_body_is_not_read_that_nobody_can_accept(app: ASGIApp, go: Callable[[], Awaitable[None]]) -> None:
    await go()
    sent: list[Message] = []

    async def receive() -> Message:
        assert sent, "the answer comes first"
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", FORM["content-type"].encode()), (b"content-length", b"1000000")]
    scope = {"type": "http", "method": "POST", "path": "/api/media/analyze", "query_string": b"", "headers": headers}
    await app({**scope, "client": ("127.0.0.1", 1), "root_path": ""}, receive, send)
    assert sent[0]["status"] == 503


async def test_an_upload_stops_when_the_database_goes_and_leaves_nothing(
    client: httpx.AsyncClient, go: Callable[[], Awaitable[None]], tmp_path: Path
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield FORM_HEAD
        for _ in range(17):
            yield b"x" * MEBIBYTE
        assert files_under(tmp_path / "storage"), "it is being written"
        await go()
        for _ in range(17):
            yield b"x" * MEBIBYTE
        pytest.fail("it went on")

    answer = await client.post("/api/media/analyze", headers=FORM, content=body())
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert files_under(tmp_path / "storage") == []


async def test_no_202_is_lost(
    client: httpx.AsyncClient, process_database: Database, wire: Proxy, database: Database
) -> None:
    accepted: list[UUID] = []
    answered: set[int] = set()

    async def submit_on() -> None:
        while 503 not in answered:
            answer = await client.post("/api/media/analyze", json=BODY)
            answered.add(answer.status_code)
            if answer.status_code == 202:
                accepted.append(UUID(answer.json()["analysis_id"]))

    crowd = [asyncio.create_task(submit_on()) for _ in range(20)]
    await eventually(lambda: len(accepted) > 100)
    wire.cut()
    await asyncio.gather(*crowd)
    assert answered == {202, 503}
    there = "select count(*) from processing_jobs job join media_analysis_requests a on a.id = job.request_id"
    there += " where a.id = any($1)"
    assert await process_database.pool.fetchval(there, accepted) == len(accepted)
    wire.restore()
    await eventually(lambda: database.health.state is not Health.OFFLINE)
