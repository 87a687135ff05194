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
from mediaanalysis.web import connections, middleware
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application

Serving = Callable[[ASGIApp], AbstractAsyncContextManager[tuple[str, int]]]
MIB = 1024 * 1024
FORM = 'multipart/form-data; boundary="xYz"'
HEAD = b'--xYz\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
TAIL = b'\r\n--xYz\r\nContent-Disposition: form-data; name="prompt"\r\n\r\np\r\n--xYz--\r\n'
BODY = b'{"prompt": "p", "media_url": "http://example.com/a.mp4"}'


@pytest.fixture
def short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """For clients that have sent everything before they are refused."""
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.1)
    monkeypatch.setattr(middleware, "LINGER_SECONDS", 0.1)


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


@pytest.mark.usefixtures("short_lingering")
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
    app = application(services, Access.LOCAL)
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

    app = application(replace(services, settings=settings), Access.LOCAL)
    async with serving(app) as (host, port), httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=60) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = await client.post("/api/media/analyze", content=body(), headers={"content-type": FORM})
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert answer.status_code == 202, answer.text
    assert grown_kib < 120 * 1024
    stored = await services.database.pool.fetchval("select size_bytes from media_files")
    assert stored == size


async def test_an_answer_reaches_a_client_that_is_still_sending(serving: Serving, app: ASGIApp) -> None:
    """The end of a connection with bytes unread would be a reset, which may take the answer along."""
    field = HEAD.replace(b'"file"; filename="a.mp4"', b'"prompt"') + b"x" * 8 * MIB
    start = b"POST /api/media/analyze HTTP/1.1\r\nHost: a\r\nContent-Type: " + FORM.encode()
    async with serving(app) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(start + b"\r\nContent-Length: %d\r\n\r\n" % len(field) + field)
        await writer.drain()
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("short_lingering")
@pytest.mark.parametrize(
    "head",
    [
        b"X-A: " + b"a" * 40_000 + b"\r\n\r\n",
        b"X-A: a\r\n" * 10_000 + b"\r\n",
        b"X-A: " + b"a" * 200_000,
    ],
)
async def test_a_head_has_a_bound(serving: Serving, app: ASGIApp, head: bytes) -> None:
    answer = await exchange(serving, app, b"GET /health HTTP/1.1\r\nHost: a\r\n" + head, until_closed=True)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["code"] == "head_too_large"


async def test_heads_of_requests_on_one_connection_are_not_added_up(serving: Serving, app: ASGIApp) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 20_000
    answer = await exchange(
        serving, app, (request + b"\r\n\r\n") * 5 + request + b"\r\nConnection: close\r\n\r\n", until_closed=True
    )
    assert answer.count(b"HTTP/1.1 200 ") == 6


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HTTP/1.1\r\nHost: a\r\nX", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET"]
)
async def test_a_head_must_come_in_time(
    serving: Serving, app: ASGIApp, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    answer = await exchange(serving, app, sent, until_closed=True)
    assert answer.count(b"HTTP/1.1 200 ") == sent.count(b"\r\n\r\n")


@pytest.mark.usefixtures("short_lingering")
async def test_what_is_no_http_gets_a_problem(serving: Serving, app: ASGIApp) -> None:
    answer = await exchange(serving, app, b"\x16\x03\x01\x00garbage\r\n\r\n", until_closed=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["code"] == "bad_request"


@pytest.mark.usefixtures("short_lingering")
async def test_a_body_out_of_frame_gets_a_problem(serving: Serving, app: ASGIApp) -> None:
    head = b"POST /api/media/analyze HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    request = head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n"
    answer = await exchange(serving, app, request, until_closed=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_no_other_protocol_is_spoken(serving: Serving, app: ASGIApp, protocol: bytes) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + protocol
    keys = b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    answer = await exchange(serving, app, request + keys)
    assert answer.startswith(b"HTTP/1.1 200 ")
