"""Servers on loopback that misbehave as told, and count who comes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """`requests` holds the head of every request; `connections` counts those who said nothing, too."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server()
    tasks: set[asyncio.Task[None] | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        tasks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            server.requests.append(head)
            await handler(head.split(" ")[1], writer)
        writer.close()

    listener = await asyncio.start_server(connected, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            if task is not None:
                task.cancel()


def answering(head: str, body: bytes = b"") -> Handler:
    """A server with one answer. `head` is the status line and the headers, a line each."""

    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*head.splitlines(), "", ""]).encode("latin-1") + body)
        await writer.drain()

    return handler
