from __future__ import annotations

import asyncio
from uuid import UUID

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from mediaanalysis.errors import RequestError, StoreError
from mediaanalysis.metrics import Metrics
from mediaanalysis.web import deadline, middleware
from mediaanalysis.web.deadline import Deadline, Progress
from mediaanalysis.web.middleware import Gate

GIVEN = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(str(scope["state"]["correlation_id"]))(scope, receive, send)


def failing(error: Exception) -> ASGIApp:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return fail


async def get(app: ASGIApp, headers: dict[str, str] | None = None, metrics: Metrics | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(Gate(app, metrics or Metrics()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/anywhere", headers=headers)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-correlation-id": GIVEN}, GIVEN),
        ({"x-correlation-id": GIVEN.replace("-", "").upper()}, GIVEN),
        ({"traceparent": TRACE}, GIVEN),
        ({"x-correlation-id": "nonsense", "traceparent": TRACE}, GIVEN),
        ({"x-correlation-id": "x" * 36}, None),
        ({"x-correlation-id": "a\tb"}, None),
        ({"traceparent": TRACE.upper()}, None),
        ({"traceparent": TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)}, None),
        ({"traceparent": "ff" + TRACE[2:]}, None),
        ({"traceparent": TRACE + "-more"}, None),
        ({}, None),
    ],
)
async def test_correlation_is_taken_if_well_formed_and_echoed(headers: dict[str, str], expected: str | None) -> None:
    answer = await get(echo, headers)
    assert answer.headers["x-correlation-id"] == answer.text
    assert UUID(answer.text)
    if expected:
        assert answer.text == expected
    given = headers.get("traceparent")
    assert answer.headers.get("traceparent") == (given if given == TRACE else None)


async def test_every_answer_carries_its_request_id_and_security_headers() -> None:
    first, second = await get(echo), await get(echo)
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["x-content-type-options"] == "nosniff"


async def test_errors_become_problems() -> None:
    answer = await get(failing(RequestError("no", code="unknown_field", pointer="/config/x")))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/docs#unknown_field",
        "title": "A field is not known",
        "status": 422,
        "detail": "no",
        "code": "unknown_field",
        "request_id": answer.headers["x-request-id"],
        "errors": [{"pointer": "/config/x", "detail": "no"}],
    }


async def test_what_may_work_later_says_when() -> None:
    answer = await get(failing(StoreError("away")))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_an_unforeseen_error_is_logged_and_tells_nothing() -> None:
    with capture_logs() as lines:
        answer = await get(failing(ValueError("the secret")))
    assert answer.status_code == 500
    assert "secret" not in answer.text
    failure = next(line for line in lines if line["event"] == "request_failed")
    assert failure["request_id"] == answer.headers["x-request-id"]


async def test_a_fault_of_ours_is_logged_even_if_it_has_a_name() -> None:
    with capture_logs() as lines:
        assert (await get(failing(StoreError("the database refused (22003)", code="internal")))).status_code == 500
    assert [line["request_id"] for line in lines if line["event"] == "request_failed"]


async def test_an_error_after_the_answer_began_breaks_the_connection() -> None:
    async def break_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        await get(break_off)


async def test_requests_are_counted_and_logged() -> None:
    metrics = Metrics()
    with capture_logs() as lines:
        await get(echo, {"x-correlation-id": GIVEN}, metrics)
    assert b'http_request_seconds_count{method="GET",route="none",status="200"} 1.0' in metrics.text()
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["path"], line["status"], line["correlation_id"]) == ("/anywhere", 200, GIVEN)


async def trickle(messages: list[Message]) -> Message:
    if messages:
        return messages.pop(0)
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(("reads_body", "status", "code"), [(True, 408, "request_timeout"), (False, 503, "timeout")])
async def test_a_request_without_progress_ends(
    reads_body: bool, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "STEP_SECONDS", 0.02)
    monkeypatch.setattr(deadline, "BODY_GRACE_SECONDS", 0.02)
    monkeypatch.setattr(middleware, "LINGER_SECONDS", 0.02)
    sent: list[Message] = []

    async def hang(_scope: Scope, receive: Receive, _send: Send) -> None:
        while reads_body:
            await receive()
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        sent.append(message)

    incoming: list[Message] = [{"type": "http.request", "body": b"x", "more_body": True}]
    headers = [(b"content-length", b"9")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": b""}
    await Gate(Deadline(hang, 1024), Metrics())(scope, lambda: trickle(incoming), send)
    assert sent[0]["status"] == status
    assert f'"{code}"'.encode() in sent[1]["body"]
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_every_message_moves_the_limit_on() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 10_240, "more_body": True}

    async def send(_message: Message) -> None:
        pass

    progress = Progress(receive, send, min_bytes_per_second=1024)
    for move in (progress.receive, progress.receive, lambda: progress.send({"type": "http.response.start"})):
        before = progress.until
        await move()
        assert progress.until > before
    assert progress._body_until - asyncio.get_running_loop().time() > deadline.BODY_GRACE_SECONDS + 19
    progress.stop()


async def test_a_client_that_cancels_is_not_a_timeout() -> None:
    async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(get(Deadline(hang, 1024)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/api/media/ma_" + "aB3-_" * 8 + "xyz", "/api/media/ma_***"),
        ("/ma_" + "a" * 20 + "/b/ma_" + "c" * 43 + ".txt", "/ma_***/b/ma_***.txt"),
        ("/api/media/ma_short", "/api/media/ma_short"),
        ("/api/media/history", "/api/media/history"),
    ],
)
async def test_a_key_in_the_path_is_not_logged(path: str, logged: str) -> None:
    transport = httpx.ASGITransport(Gate(echo, Metrics()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with capture_logs() as lines:
            await client.get(path.replace("ma_", "%6da_"))
    assert [line["path"] for line in lines if line["event"] == "request"] == [logged]
