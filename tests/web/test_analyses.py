from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.services import Services
from mediaanalysis.storage import layout
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import operations
from mediaanalysis.store.batch import Batch
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.structs.principals import LOCAL_OWNER
from mediaanalysis.web import middleware
from mediaanalysis.web.access.keyring import Access
from mediaanalysis.web.responses import outlook
from mediaanalysis.web.routes import application

URL = "/api/media/analyze"
BODY = {"prompt": "What is it?", "media_url": "http://example.com/a.mp4"}
Submit = Callable[..., Awaitable[UUID]]
Become = Callable[[UUID, str], Awaitable[None]]
Keep = Callable[..., Awaitable[None]]


def code(answer: httpx.Response) -> tuple[int, str]:
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, problem["code"]


def pointer(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["pointer"])


async def stored_keys(storage: Storage) -> list[str]:
    return [entry.key for folder in layout.FOLDERS async for entry in storage.list(folder)]


async def test_accepting_commits_the_analysis_and_its_job(
    client: httpx.AsyncClient, database: Database, operator: Pool
) -> None:
    given = uuid4()
    answer = await client.post(URL, json={**BODY, "priority": 7}, headers={"x-correlation-id": str(given)})
    assert answer.status_code == 202
    body = answer.json()
    assert body["status"] == "pending"
    assert body["correlation_id"] == str(given)
    assert body["estimated_time"] is None
    assert answer.headers["location"] == f"/api/media/status/{body['analysis_id']}"
    assert int(answer.headers["retry-after"]) > 0
    row = await database.pool.fetchrow("select * from media_analysis_requests where id = $1", UUID(body["analysis_id"]))
    assert row is not None
    assert (row["owner_id"], row["correlation_id"], row["prompt"]) == (LOCAL_OWNER, given, "What is it?")
    job = await database.pool.fetchrow("select kind, priority from processing_jobs where request_id = $1", row["id"])
    assert job is not None
    assert tuple(job) == ("analyze", 7)
    audit = await operator.fetchrow("select performed_by, ip_address from audit_log where record_id = $1", row["id"])
    assert audit is not None
    assert (audit["performed_by"], str(audit["ip_address"])) == ("local", "127.0.0.1")


@pytest.mark.parametrize(
    ("path", "media_type"), [("video", "video"), ("audio", "audio"), ("documents", "document"), ("images", "image")]
)
async def test_addresses_that_require_a_type(client: httpx.AsyncClient, path: str, media_type: str) -> None:
    answer = await client.post(f"/api/media/{path}", json=BODY)
    status = (await client.get(answer.headers["location"])).json()
    assert status["media_type"] == media_type
    other = "audio" if media_type == "video" else "video"
    wrong = await client.post(f"/api/media/{path}", json={**BODY, "media_type": other})
    assert (code(wrong), pointer(wrong)) == ((422, "invalid_value"), "/media_type")


@pytest.mark.parametrize(
    ("change", "status", "expected", "where"),
    [
        ({"prompt": None}, 422, "invalid_value", "/prompt"),
        ({"prompt": " \n\t "}, 422, "invalid_value", "/prompt"),
        ({"media_url": None}, 400, "missing_field", "/media_url"),
        ({"source_analysis_id": str(uuid4())}, 422, "invalid_value", "/media_url"),
        ({"media_url": None, "source_analysis_id": str(uuid4())}, 422, "invalid_value", "/source_analysis_id"),
        ({"media_url": "nonsense"}, 422, "url_not_allowed", "/media_url"),
        ({"media_url": "http://[::1"}, 422, "url_not_allowed", "/media_url"),
        ({"media_url": "http://a:99999/"}, 422, "url_not_allowed", "/media_url"),
        ({"media_url": "http://a/\r\nHost: b"}, 422, "url_not_allowed", "/media_url"),
        ({"media_url": "file:///etc/passwd"}, 422, "url_not_allowed", "/media_url"),
        ({"media_url": "ftp://example.com/a"}, 422, "url_not_allowed", "/media_url"),
        ({"media_url": "http://me:secret@example.com/a"}, 422, "url_not_allowed", "/media_url"),
        ({"callback_url": "http://example.com/"}, 422, "not_supported", "/callback_url"),
        ({"config": {"provider": "nobody"}}, 422, "unknown_provider", "/config/provider"),
        ({"config": {"modle": "x"}}, 422, "unknown_field", "/config/modle"),
        ({"options": {"frame_cuont": 1}}, 422, "unknown_field", "/options/frame_cuont"),
        ({"prompt": "x" * 1_000_000}, 422, "invalid_value", "/prompt"),
    ],
)
async def test_refused_requests(
    client: httpx.AsyncClient, change: dict[str, Any], status: int, expected: str, where: str
) -> None:
    answer = await client.post(URL, json={**BODY, **change})
    assert (code(answer), pointer(answer)) == ((status, expected), where)


async def test_the_secret_of_a_refused_url_is_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, json={**BODY, "media_url": "http://me:secret@example.com/a"})
    assert "secret" not in answer.text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_other_content_types(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post(URL, content=b"{}", headers={"content-type": content_type})
    assert code(answer) == (415, "unsupported_content_type")
    assert "multipart/form-data" in answer.headers["accept-post"]


async def test_an_endless_body_is_refused_early(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"prompt": "'
        while True:
            sent += 65_536
            yield b"x" * 65_536

    answer = await client.post(URL, content=endless(), headers={"content-type": "application/json"})
    assert code(answer) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"
    assert sent < 3_000_000 + middleware.LINGER_BYTES


async def test_an_upload_goes_to_storage_and_into_the_row(
    client: httpx.AsyncClient, database: Database, storage: Storage
) -> None:
    data = bytes(range(256)) * 500
    answer = await client.post(
        URL, files={"file": ("../../täst a%d.MP4", data)}, data={"prompt": "p", "options": '{"frame_count": 2}'}
    )
    assert answer.status_code == 202, answer.text
    analysis_id = UUID(answer.json()["analysis_id"])
    row = await database.pool.fetchrow("select * from media_files where request_id = $1", analysis_id)
    assert row is not None
    assert (row["kind"], row["filename"], row["size_bytes"], row["retention_days"]) == (
        "original",
        "original.bin",
        128_000,
        7,
    )
    assert await storage.get(row["storage_path"]) == data
    served = await client.get(f"/api/media/{analysis_id}/files/original.bin")
    assert served.content == data
    assert served.headers["etag"] == f'"{row["checksum"]}"'
    assert served.headers["content-disposition"].startswith("attachment; ")
    assert (await client.get(f"/api/media/{analysis_id}")).json()["original_filename"] == "täst a%d.MP4"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (400, "missing_field")),
        ({"prompt": "p", "media_url": "http://a/b"}, (422, "invalid_value")),
        ({"prompt": "p", "colour": "red"}, (422, "unknown_field")),
        ({"prompt": "p", "config": '{"provider": "nobody"}'}, (422, "unknown_provider")),
        ({"prompt": "p", "source_analysis_id": str(uuid4())}, (422, "invalid_value")),
    ],
)
async def test_the_file_of_a_refused_form_is_removed(
    client: httpx.AsyncClient, storage: Storage, fields: dict[str, str], expected: tuple[int, str]
) -> None:
    answer = await client.post(URL, files={"file": ("a.mp4", b"x" * 5000)}, data=fields)
    assert code(answer) == expected
    assert await stored_keys(storage) == []


async def test_a_file_over_the_limit(client: httpx.AsyncClient, storage: Storage) -> None:
    answer = await client.post(URL, files={"file": ("a.mp4", b"x" * 1_000_001)}, data={"prompt": "p"})
    assert code(answer) == (413, "body_too_large")
    assert await stored_keys(storage) == []


async def test_an_empty_file_is_accepted_and_left_to_the_analysis(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, files={"file": ("a.mp4", b"")}, data={"prompt": "p"})
    assert answer.status_code == 202
    served = await client.get(f"/api/media/{answer.json()['analysis_id']}/files/original.bin")
    assert (served.status_code, served.content) == (200, b"")


async def test_an_idempotency_key_replays(client: httpx.AsyncClient, database: Database) -> None:
    headers = {"idempotency-key": "once"}
    first = await client.post(URL, json=BODY, headers=headers)
    again = await client.post(URL, json=dict(reversed(BODY.items())), headers=headers)
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert code(await client.post(URL, json={**BODY, "priority": 1}, headers=headers)) == (422, "idempotency_mismatch")
    assert await database.pool.fetchval("select count(*) from processing_jobs") == 1


async def test_an_idempotency_key_under_many_at_once_makes_one(client: httpx.AsyncClient, database: Database) -> None:
    posts = (client.post(URL, json=BODY, headers={"idempotency-key": "many"}) for _ in range(20))
    found = await asyncio.gather(*posts)
    assert {answer.status_code for answer in found} <= {202, 409}
    assert len({answer.json()["analysis_id"] for answer in found if answer.status_code == 202}) == 1
    assert await database.pool.fetchval("select count(*) from media_analysis_requests") == 1


async def test_an_upload_that_is_replayed_leaves_one_file(client: httpx.AsyncClient, storage: Storage) -> None:
    async def post(data: bytes) -> httpx.Response:
        headers = {"idempotency-key": "file"}
        return await client.post(URL, files={"file": ("a.mp4", data)}, data={"prompt": "p"}, headers=headers)

    first, again, other = await post(b"x"), await post(b"x"), await post(b"y")
    assert again.json() == first.json()
    assert code(other) == (422, "idempotency_mismatch")
    assert len(await stored_keys(storage)) == 1


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
async def test_a_bad_idempotency_key(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(URL, json=BODY, headers={b"idempotency-key": key.encode("latin-1")})
    assert code(answer) == (400, "bad_request")


async def test_asking_again_about_known_media(client: httpx.AsyncClient, submit: Submit) -> None:
    first = await submit()
    second = await submit(media_url=None, source_analysis_id=str(first))
    assert (await client.get(f"/api/media/{second}")).json()["source_analysis_id"] == str(first)


async def test_the_estimate_comes_from_the_queue_and_past_durations(
    client: httpx.AsyncClient, submit: Submit, become: Become, database: Database, services: Services
) -> None:
    await become(await submit(), "completed")
    await database.pool.execute("update media_analysis_requests set latency_ms = 4200")
    for _ in range(services.settings.worker_slots):
        await submit()
    transport = httpx.ASGITransport(application(services, Access.LOCAL))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as fresh:
        assert (await fresh.post("/api/media/video", json=BODY)).json()["estimated_time"] == 9
        assert (await fresh.post("/api/media/audio", json=BODY)).json()["estimated_time"] == 9


async def test_there_is_no_estimate_where_nothing_was_timed(
    client: httpx.AsyncClient, submit: Submit, become: Become, database: Database, services: Services
) -> None:
    await become(await submit(), "completed")
    await database.pool.execute("update media_analysis_requests set latency_ms = null")
    transport = httpx.ASGITransport(application(services, Access.LOCAL))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as fresh:
        answer = await fresh.post("/api/media/video", json=BODY)
    assert (answer.status_code, answer.json()["estimated_time"]) == (202, None)


@pytest.mark.parametrize("fault", [ValueError("odd"), StoreError("away"), None])
async def test_what_is_committed_is_accepted_without_an_estimate(
    services: Services, monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    async def fail(*_: object) -> None:
        if fault is not None:
            raise fault
        await asyncio.sleep(60)

    monkeypatch.setattr(outlook, "READ_SECONDS", 0.1)
    monkeypatch.setattr(operations, "pace_seconds", fail)
    transport = httpx.ASGITransport(application(services, Access.LOCAL))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as fresh:
        answer = await fresh.post("/api/media/video", json=BODY)
    assert (answer.status_code, answer.json()["estimated_time"]) == (202, None)


@pytest.mark.parametrize("path", ["status/x", "x", "x/transcript", "x/frames", "x/files/a", "status/" + "9" * 36])
async def test_ids_that_are_none(client: httpx.AsyncClient, path: str) -> None:
    assert code(await client.get(f"/api/media/{path}")) == (400, "invalid_id")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status/{}"),
        ("GET", "/{}"),
        ("DELETE", "/{}"),
        ("POST", "/{}/retry"),
        ("POST", "/{}/cancel"),
        ("GET", "/{}/transcript"),
        ("GET", "/{}/contact-sheet"),
        ("GET", "/{}/frames"),
        ("GET", "/{}/frames/1"),
        ("GET", "/{}/files/original.mp4"),
    ],
)
async def test_unknown_and_deleted_analyses(client: httpx.AsyncClient, submit: Submit, method: str, path: str) -> None:
    assert code(await client.request(method, "/api/media" + path.format(uuid4()))) == (404, "not_found")
    analysis_id = await submit()
    gone = await client.delete(f"/api/media/{analysis_id}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert code(await client.request(method, "/api/media" + path.format(analysis_id))) == (410, "deleted")


async def test_cancel_and_retry(client: httpx.AsyncClient, submit: Submit, become: Become) -> None:
    analysis_id = await submit()
    assert code(await client.post(f"/api/media/{analysis_id}/retry")) == (409, "wrong_state")
    cancelled = await client.post(f"/api/media/{analysis_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert code(await client.post(f"/api/media/{analysis_id}/cancel")) == (409, "wrong_state")
    again = await client.post(f"/api/media/{analysis_id}/retry")
    assert (again.status_code, again.json()["status"], again.json()["retry_count"]) == (202, "pending", 1)
    assert again.headers["location"] == f"/api/media/status/{analysis_id}"
    await become(analysis_id, "completed")
    assert code(await client.post(f"/api/media/{analysis_id}/retry")) == (409, "wrong_state")


async def test_the_result_of_an_unfinished_analysis_says_what_is_known(
    client: httpx.AsyncClient, submit: Submit
) -> None:
    analysis_id = await submit(metadata={"mine": [1]}, options={"frame_count": 2})
    answer = await client.get(f"/api/media/{analysis_id}")
    body = answer.json()
    assert answer.headers["retry-after"]
    assert (body["status"], body["result_text"], body["files"], body["stages"]) == ("pending", None, [], [])
    assert body["metadata"] == {"mine": [1]}
    assert (body["options"]["frame_count"], body["options"]["read_text"]) == (2, True)


@pytest.mark.parametrize("fault", [StoreError("away"), asyncio.CancelledError(), ValueError("odd")])
async def test_an_upload_that_may_be_committed_is_kept(
    services: Services, storage: Storage, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    """Nobody knows what became of the statement: the analysis may be there, and need its media."""

    async def add(_batch: object, _new: object) -> None:
        raise fault

    monkeypatch.setattr(Batch, "add", add)
    transport = httpx.ASGITransport(application(services, Access.LOCAL))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as fresh:
        with contextlib.suppress(asyncio.CancelledError):
            await fresh.post(URL, files={"file": ("a.mp4", b"x")}, data={"prompt": "p"})
    assert len(await stored_keys(storage)) == 1


async def test_a_form_that_is_said_to_be_too_large(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(10**13)}
    answer = await client.post(URL, content=b"--x", headers=headers)
    assert code(answer) == (413, "body_too_large")


async def test_unreachable_storage_and_full_disk(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mediaanalysis.storage.disk.CRITICAL_FRACTION", 0.0)
    answer = await client.post(URL, files={"file": ("a.mp4", b"x")}, data={"prompt": "p"})
    assert code(answer) == (507, "disk_full")
