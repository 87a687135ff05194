from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from starlette.types import ASGIApp

from mediaanalysis.errors import StoreError
from mediaanalysis.services import Services
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.structs.principals import POLL, UPLOAD, Limits, Principal
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.access.meter import Meter
from mediaanalysis.web.problems import Refusal
from mediaanalysis.web.routes import application
from tests.web.callers import Key, caller, make_key

SUBMIT = "/api/media/analyze"
HISTORY = "/api/media/history"


def body(**fields: Any) -> dict[str, Any]:
    return {"prompt": "What is it?", "media_url": "http://example.com/a.mp4", **fields}


@pytest.fixture
def two(services: Services) -> tuple[ASGIApp, ASGIApp]:
    """Two processes of the service, as far as limits are concerned."""
    return application(services, Access.KEYS), application(services, Access.KEYS)


async def test_submissions_are_counted_over_processes(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    key = await make_key(operator, submits_per_minute=7)
    async with caller(two[0], key) as first, caller(two[1], key) as second:
        found = await asyncio.gather(*(client.post(SUBMIT, json=body()) for client in (first, second) * 10))
    assert sorted(answer.status_code for answer in found) == [202] * 7 + [429] * 13
    refused = next(answer for answer in found if answer.status_code == 429)
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused.headers["retry-after"]) <= 9
    assert refused.headers["ratelimit-policy"] == '"submit";q=7;w=60'
    assert refused.headers["ratelimit"].startswith('"submit";r=0;t=')
    assert await operator.fetchval("select count(*) from media_analysis_requests") == 7


async def test_polls_are_counted_over_processes(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    key = await make_key(operator, polls_per_minute=9)
    async with caller(two[0], key) as first, caller(two[1], key) as second:
        found = await asyncio.gather(*(client.get(HISTORY) for client in (first, second) * 10))
    assert sorted(answer.status_code for answer in found) == [200] * 9 + [429] * 11


async def test_what_is_left_is_said(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    async with caller(two[0], await make_key(operator, submits_per_minute=5, polls_per_minute=50)) as client:
        submitted, polled = await client.post(SUBMIT, json=body()), await client.get(HISTORY)
    assert submitted.headers["ratelimit"] == '"submit";r=4;t=12'
    assert polled.headers["ratelimit"] == '"poll";r=48;t=3'


async def test_unfinished_analyses_are_limited_exactly(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    key = await make_key(operator, max_active=4, submits_per_minute=0)
    async with caller(two[0], key) as first, caller(two[1], key) as second:
        found = await asyncio.gather(*(client.post(SUBMIT, json=body()) for client in (first, second) * 8))
        assert sorted(answer.status_code for answer in found) == [202] * 4 + [429] * 12
        accepted = [answer.json()["analysis_id"] for answer in found if answer.status_code == 202]
        assert {answer.json()["code"] for answer in found if answer.status_code == 429} == {"too_many_active"}
        await first.post(f"/api/media/{accepted[0]}/cancel")
        assert (await second.post(SUBMIT, json=body())).status_code == 202
        again = await first.post(f"/api/media/{accepted[0]}/retry")
        assert (again.status_code, again.json()["code"]) == (429, "too_many_active")


async def test_a_retry_counts_as_a_submission(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    async with caller(two[0], await make_key(operator, submits_per_minute=1)) as client:
        analysis_id = (await client.post(SUBMIT, json=body())).json()["analysis_id"]
        assert (await client.post(f"/api/media/{analysis_id}/cancel")).status_code == 202
        again = await client.post(f"/api/media/{analysis_id}/retry")
        assert (again.status_code, again.json()["code"]) == (429, "rate_limited")
        assert (await client.get(f"/api/media/status/{analysis_id}")).json()["status"] == "cancelled"


async def test_a_replay_is_no_new_submission(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    headers = {"idempotency-key": "once"}
    async with caller(two[0], await make_key(operator, submits_per_minute=1, max_active=1)) as client:
        first = await client.post(SUBMIT, json=body(), headers=headers)
        again = await client.post(SUBMIT, json=body(), headers=headers)
    assert (again.status_code, again.json()["analysis_id"]) == (202, first.json()["analysis_id"])


async def test_owners_do_not_share_a_limit_but_their_keys_do(services: Services, operator: Pool) -> None:
    settings = msgspec.structs.replace(services.settings, polls_per_minute=1)
    app = application(replace(services, settings=settings), Access.KEYS)
    key = await make_key(operator)
    sibling = await make_key(operator, "sibling", owner=key.owner)
    other = await make_key(operator, "other")
    assert [await polled(app, each) for each in (key, sibling, other)] == [200, 429, 200]


async def test_a_limit_of_its_own_is_a_key_s_alone(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    small = await make_key(operator, "small", polls_per_minute=2)
    large = await make_key(operator, "large", owner=small.owner, polls_per_minute=600)
    free = await make_key(operator, "free", owner=small.owner, polls_per_minute=0)
    assert [await polled(two[0], small) for _ in range(3)] == [200, 200, 429]
    assert [await polled(two[0], large) for _ in range(3)] == [200, 200, 200]
    assert [await polled(two[0], free) for _ in range(3)] == [200, 200, 200]
    assert await polled(two[1], small) == 429


async def polled(app: ASGIApp, key: Key) -> int:
    async with caller(app, key) as client:
        return (await client.get(HISTORY)).status_code


async def test_keys_of_one_owner_are_limited_each_for_itself(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    """In one batch, too."""
    free = await make_key(operator, "free", submits_per_minute=0, max_active=0)
    small = await make_key(operator, "small", owner=free.owner, submits_per_minute=5, max_active=0)
    async with caller(two[0], free) as freely, caller(two[0], small) as sparsely:
        found = await asyncio.gather(*(client.post(SUBMIT, json=body()) for client in (freely, sparsely) * 20))
    assert [answer.status_code for answer in found[::2]] == [202] * 20
    assert sorted(answer.status_code for answer in found[1::2]) == [202] * 5 + [429] * 15


async def test_what_an_owner_has_unfinished_counts_for_each_of_its_keys(
    two: tuple[ASGIApp, ASGIApp], operator: Pool
) -> None:
    three = await make_key(operator, "three", max_active=3)
    five = await make_key(operator, "five", owner=three.owner, max_active=5)
    async with caller(two[0], three) as first, caller(two[0], five) as second:
        found = await asyncio.gather(*(client.post(SUBMIT, json=body()) for client in (first, second) * 10))
    assert 3 <= sum(answer.status_code == 202 for answer in found) <= 5
    assert sum(answer.status_code == 202 for answer in found[::2]) <= 3
    assert {answer.json()["code"] for answer in found if answer.status_code == 429} == {"too_many_active"}


async def test_whatever_a_submission_comes_to_is_a_request(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    """Replays, reuse and refusals are no new analyses, but they cost a statement each."""
    key = await make_key(operator, polls_per_minute=3, submits_per_minute=0)
    async with caller(two[0], key) as client:
        sent = {"json": body(), "headers": {"idempotency-key": "once"}}
        found = [(await client.post(SUBMIT, **sent)).status_code for _ in range(2)]  # type: ignore[arg-type]
        found += [(await client.post(SUBMIT, json={})).status_code, (await client.post(SUBMIT, json={})).status_code]
    assert found == [202, 202, 400, 429]


async def test_bytes_are_paid_for_before_they_are_read(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    key = await make_key(operator, upload_bytes_per_minute=50_000, submits_per_minute=0)
    form = {"data": {"prompt": "What?"}, "files": {"file": ("a.bin", b"x" * 40_000)}}
    async with caller(two[0], key) as first, caller(two[1], key) as second:
        assert (await first.post(SUBMIT, **form)).status_code == 202
        refused = await second.post(SUBMIT, **form)
        assert (await second.post(SUBMIT, json=body())).status_code == 202
    assert (refused.status_code, refused.headers["ratelimit-policy"]) == (429, '"upload";q=50000;w=60')


async def test_bytes_of_no_declared_length_are_paid_for_as_they_come(
    two: tuple[ASGIApp, ASGIApp], operator: Pool, services: Services
) -> None:
    form = httpx.Request("POST", "http://x", data={"prompt": "What?"}, files={"file": ("a.bin", b"x" * 1000)})
    content = form.read()

    async def chunks() -> Any:
        yield content

    async with caller(two[0], await make_key(operator, upload_bytes_per_minute=100_000)) as client:
        found = [
            await client.post(SUBMIT, content=chunks(), headers={"content-type": form.headers["content-type"]})
            for _ in range(2)
        ]
    assert [answer.status_code for answer in found] == [202, 429]
    assert len([key async for key in services.storage.list("uploads/")]) == 1


async def test_a_full_queue_takes_no_more(services: Services) -> None:
    settings = msgspec.structs.replace(services.settings, queue_max_jobs=3)
    async with caller(application(replace(services, settings=settings), Access.LOCAL), None) as client:
        assert [(await client.post(SUBMIT, json=body())).status_code for _ in range(2)] == [202, 202]
        other = application(replace(services, settings=settings), Access.LOCAL)
        async with caller(other, None) as full:
            found = [await full.post(SUBMIT, json=body()) for _ in range(2)]
    assert [answer.status_code for answer in found] == [202, 503]
    assert found[1].json()["code"] == "queue_full"
    assert int(found[1].headers["retry-after"]) > 0


async def test_the_same_question_is_followed_not_asked_again(two: tuple[ASGIApp, ASGIApp], operator: Pool) -> None:
    asked = body(options={"reuse": True})
    key, other = await make_key(operator), await make_key(operator, "other")
    async with caller(two[0], key) as first, caller(two[1], key) as second, caller(two[0], other) as stranger:
        found = await asyncio.gather(*(client.post(SUBMIT, json=asked) for client in (first, second) * 4))
        assert len({answer.json()["analysis_id"] for answer in found}) == 1
        assert sum("analysis-reused" in answer.headers for answer in found) == 7
        [analysis_id] = {answer.json()["analysis_id"] for answer in found}
        others = [
            await stranger.post(SUBMIT, json=asked),
            await first.post(SUBMIT, json=body()),
            await first.post(SUBMIT, json={**asked, "prompt": "Else?"}),
            await first.post("/api/media/video", json=asked),
            await first.post(SUBMIT, json=asked, headers={"idempotency-key": "own"}),
        ]
        assert analysis_id not in {answer.json()["analysis_id"] for answer in others}
        await first.post(f"/api/media/{analysis_id}/cancel")
        for answer in others:
            await first.post(f"/api/media/{answer.json()['analysis_id']}/cancel")
        assert (await first.post(SUBMIT, json=asked)).json()["analysis_id"] != analysis_id, "it has ended"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def alice(**limits: int) -> Principal:
    return Principal(uuid4(), "alice", frozenset(), limits=Limits(**limits))


class Counting:
    """A pool that counts what is asked of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._pool, name)


async def test_most_requests_cost_no_statement(database: Database) -> None:
    counting, owner = Counting(database.pool), alice(polls_per_minute=6000)
    meter = Meter(counting, clock=Clock())  # type: ignore[arg-type]
    for _ in range(500):
        await meter.spend(owner, POLL)
    assert counting.asked == 5


async def test_a_refused_owner_is_refused_without_a_statement_until_its_wait_is_over(database: Database) -> None:
    counting, owner, clock = Counting(database.pool), alice(polls_per_minute=1), Clock()
    meter = Meter(counting, clock=clock)  # type: ignore[arg-type]
    await meter.spend(owner, POLL)
    for _ in range(10):
        with pytest.raises(Refusal):
            await meter.spend(owner, POLL)
    assert counting.asked == 2
    clock.now += 61
    with pytest.raises(Refusal):  # the clock of the database has not moved
        await meter.spend(owner, POLL)
    assert counting.asked == 3


async def test_more_than_a_minutes_worth_needs_a_full_bucket_and_is_owed(database: Database) -> None:
    meter, owner, clock = Meter(database.pool, clock=Clock()), alice(upload_bytes_per_minute=1000), Clock()
    await meter.take(owner, UPLOAD, 5000)
    with pytest.raises(Refusal) as refused:
        await Meter(database.pool, clock=clock).take(owner, UPLOAD, 1)
    assert 235 <= int(refused.value.headers["retry-after"]) <= 241


class Away:
    async def fetchrow(self, *_: object) -> Any:
        raise StoreError("away")


async def test_while_the_database_is_away_each_process_counts_alone() -> None:
    clock, owner = Clock(), alice(polls_per_minute=600)
    meter = Meter(Away(), clock=clock)  # type: ignore[arg-type]
    clock.now = 1.0
    for _ in range(10):
        await meter.spend(owner, POLL)
    with pytest.raises(Refusal):
        await meter.spend(owner, POLL)
    clock.now += 1.1
    await meter.spend(owner, POLL)
