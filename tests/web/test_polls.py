from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from mediaanalysis.services import Services
from mediaanalysis.store.pool import Database
from mediaanalysis.web.handlers import polls

Submit = Callable[..., Awaitable[UUID]]
Heard = Callable[[Awaitable[object]], Awaitable[None]]
Become = Callable[[UUID, str], Awaitable[None]]


def hits(services: Services) -> float:
    return services.metrics.registry.get_sample_value("mediaanalysis_cache_lookups_total", {"outcome": "hit"}) or 0


async def test_a_waiting_analysis(client: httpx.AsyncClient, submit: Submit) -> None:
    await submit()
    analysis_id = await submit()
    answer = await client.get(f"/api/media/status/{analysis_id}")
    assert answer.status_code == 200
    assert answer.headers["retry-after"]
    body = answer.json()
    assert (body["status"], body["progress"], body["queue_position"]) == ("pending", 0, 2)
    assert body["source_url"] == "http://example.com/a.mp4"


async def test_a_wait_is_estimated_from_past_durations(
    client: httpx.AsyncClient, submit: Submit, become: Become, database: Database
) -> None:
    done = await submit()
    await become(done, "completed")
    await database.pool.execute("update media_analysis_requests set latency_ms = 3500 where id = $1", done)
    waiting = [await submit() for _ in range(2)]
    told = [(await client.get(f"/api/media/status/{each}")).json() for each in waiting]
    assert [(each["queue_position"], each["estimated_time"]) for each in told] == [(1, 4), (2, 7)]


async def test_a_finished_analysis_is_answered_from_the_cache(
    client: httpx.AsyncClient, submit: Submit, become: Become, services: Services
) -> None:
    analysis_id = await submit()
    path = f"/api/media/status/{analysis_id}"
    await become(analysis_id, "completed")
    first = await client.get(path)
    assert first.json()["result_summary"] == {"summary": "A talk.", "topics": ["talk"]}
    assert "retry-after" not in first.headers
    assert not {"queue_position", "estimated_time"} & set(first.json())
    before = hits(services)
    second = await client.get(path)
    assert hits(services) == before + 1
    assert (second.content, second.headers["etag"]) == (first.content, first.headers["etag"])
    for address in (path, f"{path}?wait=5", path.upper().replace("/API/MEDIA/STATUS", "/api/media/status")):
        unchanged = await client.get(address, headers={"if-none-match": first.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == first.headers["etag"]
    sample = {"method": "GET", "route": polls.PATH, "status": "200"}
    assert services.metrics.registry.get_sample_value("mediaanalysis_http_request_seconds_count", sample)


async def test_no_one_sees_what_this_process_has_changed_already(
    client: httpx.AsyncClient, submit: Submit, become: Become
) -> None:
    analysis_id = await submit()
    path = f"/api/media/status/{analysis_id}"
    await become(analysis_id, "failed")
    failed = await client.get(path)
    assert (failed.json()["error_code"], failed.json()["error_message"]) == ("media_damaged", "broken")
    await client.post(f"/api/media/{analysis_id}/retry")
    assert (await client.get(path)).json()["status"] == "pending"
    await client.delete(f"/api/media/{analysis_id}")
    assert (await client.get(path)).status_code == 410


async def test_a_change_made_elsewhere_reaches_the_cache(
    client: httpx.AsyncClient, submit: Submit, become: Become, heard: Heard, database: Database
) -> None:
    analysis_id = await submit()
    path = f"/api/media/{analysis_id}"
    await become(analysis_id, "completed")
    assert (await client.get(path)).json()["metadata"] == {}
    change = "update media_analysis_requests set metadata = '{\"a\": 1}' where id = $1"
    await heard(database.pool.execute(change, analysis_id))
    assert (await client.get(path)).json()["metadata"] == {"a": 1}


async def test_nothing_is_cached_while_nobody_listens(
    deaf_client: httpx.AsyncClient, submit: Submit, become: Become, services: Services
) -> None:
    analysis_id = await submit()
    await become(analysis_id, "completed")
    for _ in range(3):
        assert (await deaf_client.get(f"/api/media/status/{analysis_id}")).json()["status"] == "completed"
    assert hits(services) == 0


@pytest.mark.parametrize("header", [{}, {"prefer": "respond-async, wait=20"}])
async def test_waiting_ends_with_a_change(
    client: httpx.AsyncClient, submit: Submit, become: Become, header: dict[str, str]
) -> None:
    analysis_id = await submit()
    path = f"/api/media/status/{analysis_id}" + ("" if header else "?wait=20")
    etag = (await client.get(f"/api/media/status/{analysis_id}")).headers["etag"]
    waiting = asyncio.create_task(client.get(path, headers={**header, "if-none-match": etag}))
    await asyncio.sleep(0)
    await become(analysis_id, "completed")
    async with asyncio.timeout(5):
        assert (await waiting).json()["status"] == "completed"


async def test_waiting_ends_when_the_client_is_behind(client: httpx.AsyncClient, submit: Submit) -> None:
    analysis_id = await submit()
    async with asyncio.timeout(5):
        answer = await client.get(f"/api/media/status/{analysis_id}?wait=20", headers={"if-none-match": '"old"'})
    assert answer.json()["status"] == "pending"


async def test_waiting_ends_when_time_is_up(
    client: httpx.AsyncClient, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "WAIT_MAX_SECONDS", 0.01)
    analysis_id = await submit()
    etag = (await client.get(f"/api/media/status/{analysis_id}")).headers["etag"]
    answer = await client.get(f"/api/media/status/{analysis_id}?wait=20", headers={"if-none-match": etag})
    assert answer.status_code == 304


@pytest.mark.parametrize("wait", ["x", "-1", "1.5", ""])
async def test_a_bad_wait(client: httpx.AsyncClient, submit: Submit, wait: str) -> None:
    answer = await client.get(f"/api/media/status/{await submit()}", params={"wait": wait})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")
