from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import httpx
import msgspec
import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.media.download import Downloader
from mediaanalysis.services import Services
from mediaanalysis.web.access import concurrency
from mediaanalysis.web.access.concurrency import Concurrency
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application

ONE, OTHER, THIRD = uuid4(), uuid4(), uuid4()


async def test_an_owner_leaves_turns_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "WAIT_SECONDS", 0)
    few = Concurrency(2)
    with few.taken(ONE):
        with pytest.raises(StoreError) as refused:
            await few.wait(ONE)
        await few.wait(OTHER)
        with few.taken(OTHER), pytest.raises(StoreError):
            await few.wait(THIRD)
        await few.wait(THIRD)
    await few.wait(ONE)
    assert refused.value.code == "busy"
    assert refused.value.retryable


async def test_who_waits_is_next() -> None:
    few = Concurrency(2)
    with few.taken(ONE):
        waiting = asyncio.create_task(few.wait(ONE))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_estimates_fetch_few_at_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one of an owner's hangs at a server that does not answer, the next is put off."""
    monkeypatch.setattr(concurrency, "WAIT_SECONDS", 0.05)
    settings = msgspec.structs.replace(services.settings, cpu_slots=2, fetch_allow=("127.0.0.1",))
    app = application(replace(services, settings=settings, downloader=Downloader(settings)), Access.LOCAL)
    asked = asyncio.Event()
    async with (
        await asyncio.start_server(lambda *_: asked.set(), "127.0.0.1", 0) as silent,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/a.mp4"
        wanted = {"prompt": "What is it?", "media_url": url}
        first = asyncio.create_task(client.post("/api/media/estimate", json=wanted))
        await asked.wait()
        second = await client.post("/api/media/estimate", json=wanted)
        first.cancel()
        await asyncio.wait([first])
    assert (second.status_code, second.json()["code"]) == (503, "busy")
    assert "retry-after" in second.headers
