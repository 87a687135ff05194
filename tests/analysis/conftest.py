"""The whole service in this process, on a database and a data directory of its own, with a worker behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from mediaanalysis.app import in_process
from mediaanalysis.settings import Settings
from tests.clips import clips, shared_media
from tests.databases import own_database

__all__ = ["clips", "shared_media"]

Analyze = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def analysis_settings(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_database(server, "analysis") as dsn:
        yield Settings(
            database_url=dsn,
            data_dir=tmp_path_factory.mktemp("data"),
            fetch_allow=("127.0.0.1",),
            worker_slots=4,
            pool_min=1,
            media_max_seconds=3600,
        )


@pytest_asyncio.fixture(scope="session")
async def client(analysis_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    assert analysis_settings.database_url is not None
    async with in_process(analysis_settings, analysis_settings.database_url) as application:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(base_url="http://test", transport=transport) as client:
            yield client


@pytest.fixture
def analyze(client: httpx.AsyncClient) -> Analyze:
    """Send a file or a JSON body, wait for the end, and return the whole result."""

    async def run(path: Path | None = None, *, to: str = "analyze", **fields: Any) -> dict[str, Any]:
        fields.setdefault("prompt", "What is this?")
        if path is None:
            accepted = await client.post(f"/api/media/{to}", json=fields)
        else:
            files = {"file": (path.name, path.read_bytes())}
            accepted = await client.post(f"/api/media/{to}", data=fields, files=files)
        assert accepted.status_code == 202, accepted.text
        return await finished(client, accepted.json()["analysis_id"])

    return run


async def finished(client: httpx.AsyncClient, analysis_id: str) -> dict[str, Any]:
    """The whole result, once the analysis has ended."""
    status: dict[str, Any] = {"status": "pending"}
    while status["status"] in {"pending", "processing"}:
        status = (await client.get(f"/api/media/status/{analysis_id}", params={"wait": 30})).json()
    result: dict[str, Any] = (await client.get(f"/api/media/{analysis_id}")).json()
    return result
