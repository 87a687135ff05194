"""What only a real connection shows: bytes on the wire, clients that go away, files that do not fit in memory."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp

from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.storage import layout
from mediaanalysis.web.routes import application

Serving = Callable[[ASGIApp], AbstractAsyncContextManager[tuple[str, int]]]
MIB = 1024 * 1024
FORM = 'multipart/form-data; boundary="xYz"'
HEAD = b'--xYz\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
TAIL = b'\r\n--xYz\r\nContent-Disposition: form-data; name="prompt"\r\n\r\np\r\n--xYz--\r\n'
BODY = b'{"prompt": "p", "media_url": "http://example.com/a.mp4"}'


async def exchange(serving: Serving, app: ASGIApp, request: bytes, *, until_closed: bool = False) -> bytes:
    """What a bare client gets for these bytes."""
    async with serving(app) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        if not until_closed:
            writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer


async def test_the_whole_way_over_a_socket(live: httpx.AsyncClient) -> None:
    accepted = await live.post("/api/media/analyze", content=BODY, headers={"content-type": "application/json"})
    assert accepted.status_code == 202
    status = await live.get(accepted.headers["location"])
    assert status.json()["status"] == "pending"
    assert "server" not in status.headers
    unchanged = await live.get(accepted.headers["location"], headers={"if-none-match": status.headers["etag"]})
    assert unchanged.status_code in (200, 304)
    assert (await live.head("/health")).status_code == 200


async def test_a_refused_body_closes_the_connection(serving: Serving, app: ASGIApp) -> None:
    request = (
        b"POST /api/media/analyze HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000000000\r\n\r\n" + b"x" * 1000
    )
    answer = await exchange(serving, app, request, until_closed=True)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "request_line",
    [b"GET /api/media/files/../../etc/passwd HTTP/1.1", b"GET //health HTTP/1.1", b"GET /\xff\xfe HTTP/1.1"],
)
async def test_odd_targets_are_not_found(serving: Serving, app: ASGIApp, request_line: bytes) -> None:
    answer = await exchange(serving, app, request_line + b"\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] in (b"400", b"404")


async def test_a_client_that_leaves_leaves_nothing_behind(serving: Serving, services: Services) -> None:
    app = application(services)
    length = len(HEAD) + 500_000
    start = b"POST /api/media/analyze HTTP/1.1\r\nHost: a\r\nContent-Type: " + FORM.encode()
    async with serving(app) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(start + b"\r\nContent-Length: %d\r\n\r\n" % length + HEAD + b"x" * 100_000)
        await writer.drain()
        writer.close()
    assert [entry.key for folder in layout.FOLDERS async for entry in services.storage.list(folder)] == []
    assert await services.database.pool.fetchval("select count(*) from media_analysis_requests") == 0


async def test_memory_stays_flat_under_a_large_upload(serving: Serving, services: Services) -> None:
    """300 MB in; the process may grow by the parts in flight, not by the file."""
    settings = msgspec.structs.replace(services.settings, upload_max_bytes=Settings().upload_max_bytes)
    size = 300 * MIB

    async def body() -> AsyncIterator[bytes]:
        yield HEAD
        block = bytes(MIB)
        for _ in range(size // MIB):
            yield block
        yield TAIL

    app = application(replace(services, settings=settings))
    async with serving(app) as (host, port), httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=60) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = await client.post("/api/media/analyze", content=body(), headers={"content-type": FORM})
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert answer.status_code == 202, answer.text
    assert grown_kib < 120 * 1024
    stored = await services.database.pool.fetchval("select size_bytes from media_files")
    assert stored == size
