from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace

from mediaanalysis import __version__
from mediaanalysis.errors import StoreError
from mediaanalysis.services import Services
from mediaanalysis.store import operations
from mediaanalysis.structs.health import WorkerHealth
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import application

Submit = Callable[..., Awaitable[UUID]]


async def test_health(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health")
    assert answer.json() == {"status": "ok", "service": "mediaanalysis", "version": __version__}


async def test_readiness_names_its_parts(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["parts"]) == {"database", "queue", "storage", "disk"}


@pytest.mark.parametrize(
    ("changed", "status", "state"),
    [
        ({}, 200, "ok"),
        ({"ready": False, "worker_id": None}, 503, "failed"),
        ({"ready": False, "faults": {"beat": "away"}}, 503, "failed"),
        ({"draining": True}, 200, "warning"),
        ({"draining": True, "ready": False}, 503, "failed"),
    ],
)
async def test_readiness_tells_how_the_worker_here_is(
    services: Services, changed: dict[str, Any], status: int, state: str
) -> None:
    well = WorkerHealth(True, 7, 4, 1, draining=False, silent_seconds=0.1, restarts=0, faults={})
    app = application(services, Access.LOCAL, lambda: replace(well, **changed))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["parts"]["worker"]["state"]) == (status, state)


async def unreachable(*_: Any) -> Any:
    raise StoreError("the database is not reachable")


async def hanging(*_: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("failure", [unreachable, hanging])
async def test_readiness_without_the_database(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, failure: Callable[..., Awaitable[Any]]
) -> None:
    monkeypatch.setattr("mediaanalysis.web.handlers.operations.CHECK_SECONDS", 0.02)
    monkeypatch.setattr(operations, "ping", failure)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "unready")
    assert answer.json()["parts"]["database"]["state"] == "failed"
    assert (await client.get("/health")).status_code == 200


async def test_readiness_with_a_full_disk(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mediaanalysis.storage.disk.CRITICAL_FRACTION", 0.0)
    assert (await client.get("/health/ready")).json()["parts"]["disk"]["state"] == "failed"


async def test_readiness_without_an_ear(deaf_client: httpx.AsyncClient) -> None:
    answer = await deaf_client.get("/health/ready")
    assert (answer.status_code, answer.json()["parts"]["queue"]["state"]) == (200, "warning")


async def test_metrics(client: httpx.AsyncClient, submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    await submit()
    text = (await client.get("/metrics")).text
    assert 'mediaanalysis_queue_jobs{kind="analyze",state="queued"} 1.0' in text
    assert 'mediaanalysis_analyses_accepted_total{media_type="unknown"} 1.0' in text
    assert "mediaanalysis_database_up 1.0" in text
    monkeypatch.setattr(operations, "queue_depth", unreachable)
    text = (await client.get("/metrics")).text
    assert "mediaanalysis_database_up 0.0" in text
    assert "mediaanalysis_queue_jobs{" not in text


async def test_an_outage_is_503_and_says_when_to_come_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaanalysis.store.pool.Pool.fetch", unreachable)
    answer = await client.get(f"/api/media/status/{UUID(int=7)}")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"]
