"""What must stay alone: a server that counts who comes, a file that nobody may read, media of another tenant."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

VICTIM = "uploads/2026-01-01/11111111-1111-4111-8111-111111111111/original"
"""Below the storage: where an attacker who guessed everything would look."""
FROM_A_WORK_FOLDER = f"../../{VICTIM}"


class Canary:
    """`heard`: the first bytes of every connection."""

    def __init__(self, secret_file: Path) -> None:
        self.secret_file = secret_file
        self.secret = secrets.token_bytes(24)
        self.heard: list[bytes] = []
        self.port = 0
        secret_file.write_bytes(self.secret + self.text.encode())

    @property
    def text(self) -> str:
        """Stands in the file beside the plain bytes: what reads text finds some."""
        return f"sings {self.secret.hex()}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def songs(self) -> Iterator[bytes]:
        """The secret as it may appear: plain, hexadecimal, and in base64 wherever it begins."""
        yield self.secret
        yield self.secret.hex().encode()
        yield self.secret.hex().upper().encode()
        for start in range(3):
            yield base64.b64encode(self.secret[start:])[: (24 - start) // 3 * 4]
        yield self.text.encode("utf-16-le")

    def sung_in(self, data: bytes) -> bool:
        return any(song in data for song in self.songs())


@asynccontextmanager
async def listening(canary: Canary) -> AsyncIterator[Canary]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        canary.heard.append(await reader.read(1000))
        body = canary.secret_file.read_bytes()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    canary.port = server.sockets[0].getsockname()[1]
    try:
        yield canary
    finally:
        server.close()
