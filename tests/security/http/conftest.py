"""A hostile client: bytes over a real socket to the real server, and what comes back until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from mediaanalysis.web import connections, middleware
from tests.security.http.asking import Ask
from tests.web.conftest import app, serve, services, settings, signals, storage

__all__ = ["app", "services", "settings", "signals", "storage"]


@pytest.fixture(autouse=True)
def _short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """These clients have sent everything before they are refused."""
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.05)
    monkeypatch.setattr(middleware, "LINGER_SECONDS", 0.05)


@pytest_asyncio.fixture
async def address(app: ASGIApp) -> AsyncIterator[tuple[str, int]]:
    async with serve(app) as listening:
        yield listening


@pytest.fixture
def ask(address: tuple[str, int]) -> Ask:
    """All that the server says to these bytes until it ends the connection. `ended`: we say that there is no more."""

    async def send(request: bytes, *, ended: bool = False) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        async with asyncio.timeout(10):
            try:
                writer.write(request)
                await writer.drain()
                if ended:
                    writer.write_eof()
                return await reader.read()
            except ConnectionResetError:
                return b"reset"
            finally:
                writer.close()

    return send
