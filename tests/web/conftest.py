from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from mediaanalysis.errors import RequestError
from mediaanalysis.media.download import Downloader
from mediaanalysis.metrics import Metrics
from mediaanalysis.services import Services
from mediaanalysis.settings import Settings
from mediaanalysis.storage import layout
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import files
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Database
from mediaanalysis.store.signals import CHANGED, Signals
from mediaanalysis.structs.requests import Config
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application
from mediaanalysis.web.server import Server

DAY = "2026-11-20"


class OnlyLocal:
    """Which providers there are is not this room's matter: this one knows `local`."""

    def check(self, config: Config) -> None:
        for name in (config.provider, config.transcription_provider):
            if name not in (None, "local"):
                raise RequestError(f"{name}: available are local.", code="unknown_provider", pointer="/config/provider")


class Deaf:
    """Signals while their connection is away."""

    alive = False

    def subscribe(self, _channel: str, _listener: object) -> None:
        """There will be nothing to hear."""


@pytest.fixture
async def deaf_client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application while nobody listens to the database."""
    app = application(replace(services, signals=cast("Any", Deaf())), Access.LOCAL)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as opened:
        yield opened


@pytest.fixture
def settings(dsn: str, tmp_path: Path) -> Settings:
    return Settings(database_url=dsn, data_dir=tmp_path, upload_max_bytes=1_000_000)


@pytest_asyncio.fixture
async def signals(database: Database) -> AsyncIterator[Signals]:
    async with await Signals.open(database) as opened:
        yield opened


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage.open(None, settings.data_dir)


@pytest.fixture
def services(settings: Settings, database: Database, signals: Signals, storage: Storage) -> Services:
    unused = cast("Any", None)
    return Services(
        settings=settings,
        metrics=Metrics(),
        database=database,
        signals=signals,
        storage=storage,
        sandbox=unused,
        models=unused,
        downloader=Downloader(settings),
        providers=cast("Any", OnlyLocal()),
    )


@pytest.fixture
def app(services: Services) -> ASGIApp:
    return application(services, Access.LOCAL)


@pytest_asyncio.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as opened:
        yield opened


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[tuple[str, int]]:
    """The application on a real socket; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(app)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()
    finally:
        server.stop()
        await running


@pytest.fixture(name="serving")
def _serving() -> Callable[[ASGIApp], AbstractAsyncContextManager[tuple[str, int]]]:
    return serve


@pytest_asyncio.fixture
async def live(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client over a real socket."""
    async with serve(app) as (host, port), httpx.AsyncClient(base_url=f"http://{host}:{port}") as opened:
        yield opened


Submit = Callable[..., Awaitable[UUID]]


@pytest.fixture
def submit(client: httpx.AsyncClient) -> Submit:
    """Submit an analysis of a URL; its id."""

    async def post(**fields: Any) -> UUID:
        body = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4", **fields}
        answer = await client.post("/api/media/analyze", json=body)
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["analysis_id"])

    return post


@pytest.fixture
def heard(signals: Signals) -> Callable[..., Awaitable[None]]:
    """Do something to one analysis, and return when this process has heard of the change."""

    async def do(change: Awaitable[Any]) -> None:
        told = asyncio.Event()
        unsubscribe = signals.subscribe(CHANGED, lambda _: told.set())
        await change
        await told.wait()
        unsubscribe()

    return do


BECOME = """
    update media_analysis_requests
       set status = $2::text::media_analysis_status, updated_at = now(), media_type = 'video', started_at = now(),
           progress = case when $2 = 'completed' then 100 else 40 end,
           completed_at = case when $2 = 'processing' then null else now() end,
           error_code = case when $2 = 'failed' then 'media_damaged' end,
           error_message = case when $2 = 'failed' then 'broken' end,
           result_summary = case when $2 = 'completed' then $3::jsonb end
     where id = $1
"""


@pytest.fixture
def become(database: Database, heard: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Move an analysis to a state, as a worker would have in the end."""

    async def move(analysis_id: UUID, status: str) -> None:
        await database.pool.execute("delete from processing_jobs where request_id = $1", analysis_id)
        summary = {"summary": "A talk.", "topics": ["talk"]}
        await heard(database.pool.execute(BECOME, analysis_id, status, summary))

    return move


@pytest.fixture
def keep(storage: Storage, database: Database) -> Callable[..., Awaitable[None]]:
    """Give an analysis a file."""

    async def put(analysis_id: UUID, kind: str, filename: str, data: bytes, mime_type: str, **more: Any) -> None:
        folder = {"frame": "frames", "contact_sheet": "contact-sheets", "original": "uploads"}.get(kind, "outputs")
        stored = await storage.put_bytes(layout.check(f"{folder}/{DAY}/{analysis_id}/{filename}"), data)
        row = NewFile(
            kind=kind,
            filename=filename,
            storage_path=stored.key,
            size_bytes=stored.size_bytes,
            checksum=stored.checksum,
            mime_type=mime_type,
            retention_days=None,
            **more,
        )
        await files.add(database.pool, analysis_id, [row])

    return put
