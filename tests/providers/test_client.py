"""The client against a vendor that misbehaves: an error of that provider each time, and soon, never of the worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from mediaanalysis.providers.credentials import Account
from mediaanalysis.providers.vendors import client as client_module
from mediaanalysis.providers.vendors.client import Answer, Client, Post, Upload
from mediaanalysis.providers.vendors.failures import Failure, Kind
from tests.providers.vendors import vendors

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A socket that does with each connection what it is told; `closed` once the other side has gone away."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked.set()
            await self._serve(reader, writer)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.closed.set()
            writer.close()


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[tuple[Account, Server]]:
    handler = Server(serve)
    server = await asyncio.start_server(handler, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    setup = vendors(COMPATIBLE_BASE_URL=f"http://127.0.0.1:{port}", COMPATIBLE_MODEL="m", COMPATIBLE_API_KEY="k-12345")
    async with server:
        yield setup.accounts["compatible"], handler


async def asked(account: Account, post: Post) -> Answer:
    client = Client()
    try:
        return await client.send(account, post)
    finally:
        await client.aclose()


async def failed(serve: Serve, work_seconds: float = 0.2) -> Failure:
    async with served(serve) as (account, _):
        with pytest.raises(Failure) as raised:
            await asked(account, Post("/x", {}, work_seconds))
    return raised.value


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.3)


def answering(head: bytes, body: bytes = b"") -> Serve:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"\r\n\r\n" + body)
        await writer.drain()

    return serve


async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


async def quiet(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Nothing is said; the end of the other side is heard at once."""


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def close_within(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()


async def a_gigabyte(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" " * 1_000_000)
        await writer.drain()


@pytest.mark.parametrize(
    ("serve", "kind", "message"),
    [
        (hang, Kind.TIMEOUT, "no answer within"),
        (drip, Kind.TIMEOUT, "no answer within"),
        (close, Kind.FAILED, "connection broke"),
        (close_within, Kind.FAILED, "connection broke"),
        (a_gigabyte, Kind.UNUSABLE, "more than 32 MiB"),
        (answering(b"SSH-2.0-OpenSSH_9.6"), Kind.FAILED, "connection broke"),
    ],
)
async def test_a_vendor_that_misbehaves_is_left(serve: Serve, kind: Kind, message: str) -> None:
    slow_is_the_fault = serve in {hang, drip}
    async with asyncio.timeout(60):
        failure = await failed(serve, 0.2 if slow_is_the_fault else 50)
    assert failure.kind is kind
    assert message in failure.detail
    assert failure.metered is None  # nobody knows whether it was billed
    assert failure.retryable


async def test_nobody_there_is_told_apart_and_not_billed() -> None:
    async with served(hang) as (account, _):
        pass
    with pytest.raises(Failure, match="cannot be reached") as raised:
        await asked(account, Post("/x", {}, 1))
    assert raised.value.metered is not None
    assert raised.value.metered.cost_usd == 0


@pytest.mark.parametrize("serve", [quiet, drip])
async def test_cancelling_closes_the_connection(serve: Serve) -> None:
    async with served(serve) as (account, server):
        client = Client()
        task = asyncio.create_task(client.send(account, Post("/x", {}, 60)))
        await server.asked.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        async with asyncio.timeout(1):
            await server.closed.wait()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.aclose()


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with served(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 8", b'{"a": 1}')) as (account, _):
        assert (await asked(account, Post("/x", {}, 1))).body == {"a": 1}


async def test_a_large_file_is_sent_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "audio.flac"
    path.write_bytes(b"\1" * 5_000_000)
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while received < 5_000_000:
            received += len(await reader.read(65_536))
        await answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2", b"{}")(reader, writer)

    async with served(serve) as (account, _):
        await asked(account, Post("/x", Upload(path, "audio/flac"), 5))
    assert received == 5_000_000


def answer(status: int = 200, content: bytes = b'{"a": 1}', **headers: str) -> httpx.Response:
    return httpx.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def outcome(response: httpx.Response | Exception) -> Answer:
    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    account = vendors(OPENAI_API_KEY="k-12345").accounts["openai"]
    return await Client(httpx.MockTransport(handle)).send(account, Post("/x", {}, 1))


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (answer(content=b""), "is empty"),
        (answer(content=b" \n"), "is empty"),
        (answer(content=b"<html>sign in</html>", content_type="text/html"), "is not JSON"),
        (answer(content=b'{"a": "\xe9"}'), "is not JSON"),
        (answer(content=b'{"a": 1'), "is not JSON"),
        (answer(content=b"[" * 100_000), "is not JSON"),
        (answer(content=b'["a"]'), "is no JSON object"),
        (answer(content=b"null"), "is no JSON object"),
        (answer(content_type="application/json; charset=iso-8859-1"), "claims the charset iso-8859-1"),
        (answer(301, location="https://elsewhere.example/"), "redirect to https://elsewhere"),
        (answer(304), "HTTP 304"),
        (answer(100 + 400, content=b"[" * 100_000), "HTTP 500: no reason given"),
    ],
)
async def test_an_answer_that_is_none_is_unusable(response: httpx.Response, message: str) -> None:
    with pytest.raises(Failure, match=message) as raised:
        await outcome(response)
    assert raised.value.kind in {Kind.UNUSABLE, Kind.FAILED}


async def test_a_compressed_answer_nobody_asked_for_is_not_unpacked() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc")
        await writer.drain()

    assert "compressed" in (await failed(serve)).detail


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=UTF-8", "text/plain", ""])
async def test_an_answer_is_known_by_its_content(kind: str) -> None:
    assert (await outcome(answer(content=json.dumps({"a": "é"}).encode(), content_type=kind))).body == {"a": "é"}


async def test_a_large_answer_is_read_too() -> None:
    body = json.dumps({"words": ["word"] * 200_000}).encode()
    assert len((await outcome(answer(content=body))).body["words"]) == 200_000


@pytest.mark.parametrize(
    ("error", "kind", "billed"),
    [
        (httpx.ConnectError("x"), Kind.FAILED, 0.0),
        (httpx.ConnectTimeout("x"), Kind.FAILED, 0.0),
        (httpx.ReadTimeout("x"), Kind.TIMEOUT, None),
        (httpx.RemoteProtocolError("x"), Kind.FAILED, None),
        (httpx.UnsupportedProtocol("x"), Kind.REJECTED, 0.0),
    ],
)
async def test_faults_of_the_network(error: httpx.HTTPError, kind: Kind, billed: float | None) -> None:
    with pytest.raises(Failure) as raised:
        await outcome(error)
    metered = raised.value.metered
    assert raised.value.kind is kind
    assert (metered and metered.cost_usd) == billed
