"""Two owners, every address of the route table: one must not learn that the other's analysis exists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct
from starlette.types import ASGIApp

from mediaanalysis.app import open_services, worker_for
from mediaanalysis.settings import Settings
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.routes import ROUTES, application
from tests.clips import Clips, clips
from tests.databases import as_operator, own_database
from tests.web.callers import caller, make_key

__all__ = ["clips"]

PROMPT = "What does the secretary keep under the violet carpet?"
NAME = "violet-carpet.mp4"
FIELDS = {"prompt": PROMPT, "options": '{"frame_count": 2, "read_text": false}'}
GENERAL = {
    "/api/media/analyze",
    "/api/media/estimate",
    "/api/media/video",
    "/api/media/audio",
    "/api/media/documents",
    "/api/media/images",
    "/api/media/history",
}
"""Addresses that name no analysis, tried below one by one."""
EVERYONES = {"/health", "/health/ready", "/metrics", "/openapi.json", "/docs", "/"}
NAMED = [(path, method) for path in ROUTES if "{analysis_id}" in path for method in ROUTES[path]]


class Stage(Struct, frozen=True):
    """The service, with one finished analysis of Alice's that she has looked at, and Mallory."""

    app: ASGIApp
    pool: Pool
    alice: httpx.AsyncClient
    mallory: httpx.AsyncClient
    analysis_id: str
    owner: UUID
    media: Path


@pytest.fixture(scope="module")
def settings(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_database(server, "owners") as dsn:
        yield Settings(database_url=dsn, data_dir=tmp_path_factory.mktemp("owners"), pool_min=1, worker_slots=2)


@pytest_asyncio.fixture(scope="module")
async def stage(settings: Settings, server: str, clips: Clips) -> AsyncIterator[Stage]:
    assert settings.database_url is not None
    operator_dsn = as_operator(settings.database_url)
    async with open_services(settings, settings.database_url) as services:
        async with await Database.open(Settings(pool_min=1, pool_max=1), operator_dsn) as operator:
            alice, mallory = [await make_key(operator.pool, name) for name in ("alice", "mallory")]
        app, worker = application(services, Access.KEYS), worker_for(services)
        running = asyncio.create_task(worker.run())
        async with caller(app, alice) as hers, caller(app, mallory) as his:
            media = clips("plain.mp4")
            analysis_id = await analyzed(hers, media)
            yield Stage(app, services.database.pool, hers, his, analysis_id, alice.owner, media)
        worker.stop()
        await running


async def analyzed(client: httpx.AsyncClient, media: Path, **headers: str) -> str:
    files = {"file": (NAME, media.read_bytes())}
    accepted = await client.post("/api/media/analyze", data=FIELDS, files=files, headers=headers)
    assert accepted.status_code == 202, accepted.text
    analysis_id: str = accepted.json()["analysis_id"]
    status: dict[str, Any] = {"status": "pending"}
    while status["status"] in ("pending", "processing"):
        status = (await client.get(f"/api/media/status/{analysis_id}", params={"wait": 20})).json()
    assert status["status"] == "completed", status
    return analysis_id


def address(path: str, analysis_id: object) -> str:
    return path.format(analysis_id=analysis_id, n=1, name="contact_sheet.jpg")


def told(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, without what is of its own request, and without the id that was asked for."""
    headers = {
        name: value for name, value in answer.headers.items() if not name.startswith(("x-", "date", "ratelimit"))
    }
    problem = {name: value for name, value in answer.json().items() if name != "request_id"} if answer.content else {}
    return {"status": answer.status_code, **headers, **problem}


def test_every_address_is_tried() -> None:
    assert set(ROUTES) == GENERAL | EVERYONES | {path for path, _ in NAMED}


@pytest.mark.parametrize(("path", "method"), NAMED)
async def test_her_analysis_is_to_him_as_if_it_were_not(stage: Stage, path: str, method: str) -> None:
    """After she has it in the cache, and whatever he sends along."""
    if method == "GET":
        assert (await stage.alice.get(address(path, stage.analysis_id))).status_code == 200
    for headers in ({}, {"if-none-match": "*"}, {"range": "bytes=0-0"}, {"prefer": "wait=1"}):
        hers = await stage.mallory.request(method, address(path, stage.analysis_id), headers=headers)
        none = await stage.mallory.request(method, address(path, uuid4()), headers=headers)
        assert hers.status_code == 404
        assert told(hers) == told(none)
    assert (await stage.alice.get(f"/api/media/status/{stage.analysis_id}")).json()["status"] == "completed"


@pytest.mark.parametrize("path", sorted(path for path in GENERAL if path != "/api/media/history"))
async def test_he_cannot_ask_about_her_media(stage: Stage, path: str) -> None:
    hers = await stage.mallory.post(path, json={"prompt": "x", "source_analysis_id": stage.analysis_id})
    none = await stage.mallory.post(path, json={"prompt": "x", "source_analysis_id": str(uuid4())})
    assert hers.status_code == 422
    assert told(hers) == told(none)


async def test_his_history_is_empty(stage: Stage) -> None:
    for order in ("created_at", "updated_at", "completed_at", "priority"):
        found = (await stage.mallory.get("/api/media/history", params={"sort_by": order})).json()
        assert [entry for entry in found["data"] if entry["analysis_id"] == stage.analysis_id] == []
    assert len((await stage.alice.get("/api/media/history")).json()["data"]) >= 1


async def test_the_same_bytes_and_question_are_worked_on_anew(stage: Stage) -> None:
    """A stage that is taken over from another owner would tell by its speed what others have."""
    his_id = await analyzed(stage.mallory, stage.media)
    reused = "select stage, state from analysis_stages where request_id = $1 and state = 'reused'"
    assert await stage.pool.fetch(reused, UUID(his_id)) == []
    again = await analyzed(stage.mallory, stage.media)
    assert await stage.pool.fetch(reused, UUID(again)) != [], "his own are"
    result = (await stage.mallory.get(f"/api/media/{his_id}")).text
    assert stage.analysis_id not in result
    assert str(stage.owner) not in result


async def test_an_idempotency_key_of_hers_is_free_for_him(stage: Stage) -> None:
    body = {"prompt": "x", "media_url": "http://example.com/a.mp4"}
    sent = {"json": body, "headers": {"idempotency-key": "monday"}}
    found = [await client.post("/api/media/analyze", **sent) for client in (stage.alice, stage.mallory)]  # type: ignore[arg-type]
    assert [answer.status_code for answer in found] == [202, 202]
    assert "idempotency-replayed" not in found[1].headers
    assert len({answer.json()["analysis_id"] for answer in found}) == 2


async def test_nothing_public_names_her_or_her_analysis(stage: Stage) -> None:
    """Metrics have no labels of owners or analyses."""
    async with caller(stage.app, None) as nobody:
        seen = [(await nobody.get(path)).text for path in sorted(EVERYONES)]
    for text in seen:
        for secret in (stage.analysis_id, str(stage.owner), PROMPT, NAME, "violet"):
            assert secret not in text


async def test_metrics_name_no_owner(stage: Stage, settings: Settings) -> None:
    assert settings.database_url is not None
    operator_dsn = as_operator(settings.database_url)
    async with await Database.open(Settings(pool_min=1, pool_max=1), operator_dsn) as operator:
        key = await make_key(operator.pool, "scraper", scopes=("admin",))
    async with caller(stage.app, key) as scraper:
        text = (await scraper.get("/metrics")).text
    assert "mediaanalysis_http_request_seconds" in text
    for secret in (stage.analysis_id, str(stage.owner), NAME, "alice"):
        assert secret not in text
