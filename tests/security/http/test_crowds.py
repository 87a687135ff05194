"""Many connections, and those that take without giving: everyone else is answered all the same."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import ExitStack
from typing import cast

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from mediaanalysis.web import coalescing, connections
from mediaanalysis.web.connection_limit import OTHER_DESCRIPTORS, capacity
from mediaanalysis.web.connections import Connection
from mediaanalysis.web.server import Server
from tests.security.http.asking import Ask

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
MANY = int(os.environ.get("IDLE_CONNECTIONS", "400"))
"""IDLE_CONNECTIONS=9900 tries it in earnest. Each takes two descriptors of this one process."""


async def test_others_are_answered_beside_many_idle_connections(ask: Ask, address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        idle = []
        for _ in range(MANY):
            idle.append(stack.enter_context(socket.create_connection(address)))
            await asyncio.sleep(0)  # the server is in this thread too
        for slow in idle[::2]:
            slow.send(GET)
        assert (await ask(LAST)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"\r\n", GET, GET + b"Content-Length: 9\r\n\r\nabc"])
async def test_who_says_no_more_is_sent_away(ask: Ask, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Also behind a body that was not needed, and never ends."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    answer = await ask(sent)
    assert answer.count(b"HTTP/1.1 200 ") == sent.count(b"\r\n\r\n")


class Held:
    """An application that answers when it is let, with as much as is asked for."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.let = asyncio.Event()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.entered.release()
        if scope["path"] == "/held":
            await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        for _ in range(1024 if scope["path"] == "/much" else 1):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await send({"type": "http.response.body"})


class Place:
    """A server with room for a few."""

    def __init__(self, app: ASGIApp, connections_max: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server(app, connections_max)

    async def __aenter__(self) -> Place:
        self._running = asyncio.create_task(self.server.serve(sockets=[self._listener]))
        self.address = self._listener.getsockname()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.stop()
        self.server.stop()
        await self._running

    async def connect(self, request: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(request)
        await writer.drain()
        return reader, writer

    async def ask(self, request: bytes) -> bytes:
        reader, writer = await self.connect(request)
        answer = await reader.read()
        writer.close()
        return answer


def connected(place: Place) -> list[Connection]:
    return [cast("Connection", each) for each in place.server.server_state.connections]


def request(path: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path


async def test_when_full_who_waits_longest_goes() -> None:
    async with asyncio.timeout(10), Place(Held(), 3) as place:
        first, second, third = [await place.connect() for _ in range(3)]
        fourth = await place.connect(request(b"/"))
        assert (await fourth[0].read()).startswith(b"HTTP/1.1 200 ")
        assert await first[0].read() == b""
        for reader, writer in (second, third):
            writer.write(request(b"/"))
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")


async def test_when_all_are_served_the_next_is_told_so() -> None:
    held = Held()
    async with asyncio.timeout(10), Place(held, 2) as place:
        served = [await place.connect(request(b"/held")) for _ in range(2)]
        for _ in served:
            await held.entered.acquire()
        told = await place.ask(request(b"/"))
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"busy"' in told
        assert b"retry-after: 1\r\n" in told
        held.let.set()
        for reader, _ in served:
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        assert (await place.ask(request(b"/"))).startswith(b"HTTP/1.1 200 ")


async def test_who_never_reads_holds_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes: the end of the request is that of the connection too."""
    monkeypatch.setattr(coalescing, "CLOSE_SECONDS", 0.1)
    async with asyncio.timeout(10), Place(Held(), 10) as place:
        client = socket.create_connection(place.address)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request(b"/much"))
        while not any(each.flow.write_paused for each in connected(place)):
            await asyncio.sleep(0)
        for task in list(place.server.server_state.tasks):
            task.cancel()
        while place.server.server_state.connections:
            await asyncio.sleep(0)
        client.close()


async def test_of_requests_that_come_faster_than_answers_few_are_read_ahead() -> None:
    held = Held()
    async with asyncio.timeout(10), Place(held, 10) as place:
        _, writer = await place.connect()
        writer.write(request(b"/held") * 100_000)
        await held.entered.acquire()
        (connection,) = connected(place)
        ahead = len(connection.pipeline)
        assert ahead <= connections.AHEAD_MAX_REQUESTS + connections.PIECE_BYTES // len(request(b"/held"))
        writer.transport.abort()


def test_descriptors_are_kept_for_other_things() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, before[1]))
        few = capacity(100)
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        many = capacity(before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert few == min(100, raised // 2)
    assert raised == min(100 + OTHER_DESCRIPTORS, before[1])
    assert many < before[1]
