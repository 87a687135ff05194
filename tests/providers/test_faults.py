"""Every documented shape of an error: what kind it is, how long to wait, what is kept of its words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mediaanalysis.providers.catalogue import Operation
from mediaanalysis.providers.vendors.client import Client, Post
from mediaanalysis.providers.vendors.failures import EFFECTS, Failure, Kind, redacted
from mediaanalysis.providers.vendors.retry_after import MAX_SECONDS, retry_after_seconds
from tests.providers.vendors import KEYS, every_vendor


def openai(message: str, code: str | int | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def google(status: str, *details: dict[str, Any], code: int = 400) -> dict[str, Any]:
    return {"error": {"code": code, "message": "No.", "status": status, "details": list(details)}}


def minimax(message: str, kind: str = "server_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message, "http_code": "0"}, "request_id": "r-1"}


def openrouter(code: int, **metadata: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": "Upstream.", "metadata": metadata}, "user_id": "u"}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "57.238747106s"}
PER_DAY = {"@type": "…QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}
PER_MINUTE = {"@type": "…QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinute"}]}
BAD_KEY = {"@type": "…ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}

TABLE: list[tuple[str, int, Any, Kind]] = [
    ("openai", 400, openai("Unsupported parameter"), Kind.REJECTED),
    ("openai", 400, openai("Refused by policy", "content_policy_violation"), Kind.REFUSED),
    ("openai", 400, openai("Too long", "context_length_exceeded"), Kind.REJECTED),
    ("openai", 401, openai("Incorrect API key provided", "invalid_api_key"), Kind.CREDENTIALS),
    ("openai", 403, openai("Country not supported", "unsupported_country"), Kind.CREDENTIALS),
    ("openai", 404, openai("No such model", "model_not_found"), Kind.REJECTED),
    ("openai", 413, "<html>Request Entity Too Large</html>", Kind.REJECTED),
    ("openai", 429, openai("Slow", "rate_limit_exceeded", "requests"), Kind.BUSY),
    ("openai", 429, openai("No credit", "insufficient_quota", "insufficient_quota"), Kind.QUOTA),
    ("openai", 429, openai("Slow down", "slow_down", "rate_limit_error"), Kind.BUSY),
    ("openai", 500, openai("Oops", None, "server_error"), Kind.FAILED),
    ("openai", 503, openai("Busy", "server_is_overloaded", "service_unavailable_error"), Kind.FAILED),
    ("groq", 422, openai("Unprocessable"), Kind.REJECTED),
    ("groq", 424, openai("Failed dependency"), Kind.REJECTED),
    ("groq", 429, openai("Rate limit", "rate_limit_exceeded", "audio_seconds"), Kind.BUSY),
    ("groq", 498, openai("Flex tier over capacity"), Kind.BUSY),
    ("groq", 499, openai("Cancelled"), Kind.FAILED),
    ("deepgram", 400, {"err_code": "Bad Request", "err_msg": "corrupt or unsupported data"}, Kind.REJECTED),
    ("deepgram", 400, {"category": "INVALID_JSON", "message": "Bad.", "details": "x"}, Kind.REJECTED),
    ("deepgram", 401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}, Kind.CREDENTIALS),
    ("deepgram", 402, {"err_code": "ASR_PAYMENT_REQUIRED", "err_msg": "Top up."}, Kind.QUOTA),
    ("deepgram", 403, {"err_code": "INSUFFICIENT_PERMISSIONS", "err_msg": "Not on your plan."}, Kind.CREDENTIALS),
    ("deepgram", 413, "too large", Kind.REJECTED),
    ("deepgram", 429, {"err_code": "TOO_MANY_REQUESTS", "err_msg": "Too many."}, Kind.BUSY),
    ("deepgram", 504, "", Kind.TIMEOUT),
    ("gemini", 400, google("INVALID_ARGUMENT"), Kind.REJECTED),
    ("gemini", 400, google("INVALID_ARGUMENT", BAD_KEY), Kind.CREDENTIALS),
    ("gemini", 400, [google("FAILED_PRECONDITION")], Kind.REJECTED),
    ("gemini", 403, google("PERMISSION_DENIED", {"reason": "SERVICE_DISABLED"}), Kind.CREDENTIALS),
    ("gemini", 404, google("NOT_FOUND"), Kind.REJECTED),
    ("gemini", 429, google("RESOURCE_EXHAUSTED", PER_MINUTE, RETRY_INFO, code=429), Kind.BUSY),
    ("gemini", 429, google("RESOURCE_EXHAUSTED", PER_DAY, code=429), Kind.QUOTA),
    ("gemini", 503, google("UNAVAILABLE", code=503), Kind.FAILED),
    ("gemini", 504, google("DEADLINE_EXCEEDED", code=504), Kind.TIMEOUT),
    ("minimax", 400, minimax("invalid params (2013)"), Kind.REJECTED),
    ("minimax", 401, minimax("login fail (1004)", "authorized_error"), Kind.CREDENTIALS),
    ("minimax", 402, minimax("insufficient balance (1008)", "insufficient_balance_error"), Kind.QUOTA),
    ("minimax", 500, minimax("insufficient balance (1008)"), Kind.QUOTA),
    ("minimax", 429, minimax("insufficient balance (1008)"), Kind.QUOTA),
    ("minimax", 413, minimax("request body too large: 88200078 bytes", "invalid_request_error"), Kind.REJECTED),
    ("minimax", 422, minimax("sensitive content (1026)", "unprocessable_entity_error"), Kind.REFUSED),
    ("minimax", 429, minimax("rate limit (1002)", "rate_limit_error"), Kind.BUSY),
    ("minimax", 500, minimax("internal error (1000)"), Kind.FAILED),
    ("minimax", 200, {"base_resp": {"status_code": 1008, "status_msg": "balance"}, "choices": None}, Kind.QUOTA),
    ("minimax", 200, {"base_resp": {"status_code": 1002, "status_msg": "rate"}}, Kind.BUSY),
    ("minimax", 200, {"base_resp": {"status_code": 2049, "status_msg": "key"}}, Kind.CREDENTIALS),
    ("minimax", 200, {"base_resp": {"status_code": 1027, "status_msg": "sensitive"}}, Kind.REFUSED),
    ("minimax", 200, {"base_resp": {"status_code": 9999, "status_msg": "new"}}, Kind.FAILED),
    ("openrouter", 402, openrouter(402), Kind.QUOTA),
    ("openrouter", 403, openrouter(403, error_type="content_policy_violation"), Kind.REFUSED),
    ("openrouter", 408, openrouter(408), Kind.TIMEOUT),
    ("openrouter", 502, openrouter(502, error_type="provider_unavailable"), Kind.FAILED),
    ("openrouter", 524, openrouter(524), Kind.TIMEOUT),
    ("openrouter", 529, openrouter(529, error_type="provider_overloaded"), Kind.BUSY),
    ("openrouter", 200, openrouter(429), Kind.BUSY),
    ("openrouter", 200, openrouter(400, error_type="context_length_exceeded"), Kind.REJECTED),
    ("openrouter", 200, {"error": {"code": "odd", "message": "?"}}, Kind.FAILED),
    ("novita", 403, {"code": 403, "reason": "model_access_denied", "message": "No.", "metadata": {}}, Kind.CREDENTIALS),
    ("novita", 429, {"error": {"message": "Slow.", "code": 429}}, Kind.BUSY),
    ("compatible", 404, {"error": "model 'x' not found, try pulling it first"}, Kind.REJECTED),
    (
        "compatible",
        400,
        {"object": "error", "message": "Too large.", "type": "BadRequestError", "code": 400},
        Kind.REJECTED,
    ),
    ("compatible", 401, {"error": {"code": 401, "message": "Invalid API Key", "type": "x"}}, Kind.CREDENTIALS),
    ("compatible", 422, {"detail": [{"loc": ["body", "file"], "msg": "field required"}]}, Kind.REJECTED),
    ("compatible", 503, {"error": {"message": "Loading model", "code": 503}}, Kind.FAILED),
    ("compatible", 409, None, Kind.FAILED),
    ("compatible", 425, None, Kind.FAILED),
    ("compatible", 307, None, Kind.UNUSABLE),
]


async def failure(provider: str, status: int, body: Any, headers: dict[str, str] | None = None) -> Failure:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = httpx.Response(status, content=content.encode(), headers=headers)
    client = Client(httpx.MockTransport(lambda _request: answer))
    with pytest.raises(Failure) as raised:
        await client.send(every_vendor().accounts[provider], Post("/x", {}, 1))
    await client.aclose()
    return raised.value


@pytest.mark.parametrize(("provider", "status", "body", "kind"), TABLE)
async def test_a_fault_is_of_the_kind_its_vendor_means(provider: str, status: int, body: Any, kind: Kind) -> None:
    fault = await failure(provider, status, body)
    assert fault.kind is kind
    assert fault.retryable is EFFECTS[kind].temporary
    assert fault.detail.startswith(f"{provider}: HTTP {status}")
    assert fault.metered is not None
    assert fault.metered.cost_usd == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (openai("Incorrect model"), "Incorrect model"),
        ({"err_code": "x", "err_msg": "Invalid credentials."}, "Invalid credentials."),
        ({"category": "c", "message": "Bad.", "details": "at 3"}, "Bad. at 3"),
        ({"detail": [{"msg": "field required"}, {"msg": "too short"}]}, "field required; too short"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error": "pull it first"}, "pull it first"),
        ([{"error": {"message": "listed"}}], "listed"),
        ("<html>", "no reason given"),
        ([], "no reason given"),
        ({"error": {"message": {"odd": 1}}}, "odd"),
    ],
)
async def test_the_vendors_reason_is_kept(body: Any, words: str) -> None:
    assert words in (await failure("compatible", 400, body)).detail


async def test_the_request_id_is_kept_from_header_or_body() -> None:
    assert (await failure("openai", 500, {}, {"x-request-id": "req_1"})).request_id == "req_1"
    assert (await failure("deepgram", 500, {"request_id": "b-2"})).request_id == "b-2"
    assert (await failure("minimax", 500, {}, {"Trace-Id": "t-3"})).request_id == "t-3"


async def test_a_redirect_names_where_to_and_is_not_followed() -> None:
    fault = await failure("openai", 302, {}, {"location": "https://elsewhere.example/v1"})
    assert "redirect to https://elsewhere.example" in fault.detail


@pytest.mark.parametrize("name", sorted(KEYS))
async def test_no_key_survives_in_a_detail(name: str) -> None:
    key = KEYS[name]
    if "ecret" not in key:
        return
    provider = name.split("_", maxsplit=1)[0].lower()
    detail = (await failure(provider, 401, openai(f"Incorrect API key provided: {key}. See x"))).detail
    assert key not in detail
    assert key[8:] not in detail


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("key sk-proj-abc***xyz is wrong", "key *** is wrong"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("https://x/y?key=AIzaSyD-12345678&z=1", "https://x/y?***"),
        ("api_key='supersecret'", "***"),
        ("AIzaSyD-1234567890", "***"),
        ("skateboarding is a token of joy; the key point", "skateboarding is a token of joy; the key point"),
        ("line\nbreak\x1b[31m", "line break [31m"),
    ],
)
def test_what_looks_like_a_key_is_struck_out(text: str, kept: str) -> None:
    assert redacted(text).startswith(kept)


def test_a_detail_is_short() -> None:
    assert len(redacted("long " * 1000)) <= 300


NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, None, None),
        ({"retry-after": "20"}, None, 20),
        ({"retry-after": "1.5"}, None, 1.5),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, None, 30),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, None, 0),
        ({"retry-after": "Fri, 20 Nov 2026 12:00:30 -0000"}, None, 30),
        ({"retry-after-ms": "250", "retry-after": "9"}, None, 0.25),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after": "-5"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "99999999"}, None, MAX_SECONDS),
        ({}, google("RESOURCE_EXHAUSTED", RETRY_INFO), 57.238747106),
        ({}, [google("RESOURCE_EXHAUSTED", {"retryDelay": "2s"})], 2),
        ({}, {"error": {"code": 503, "availability": {"retryable": True, "retry_after": 12}}}, 12),
        ({}, {"error": {"code": 429, "metadata": {"retry_after_seconds": "7"}}}, 7),
        ({"retry-after": "3"}, google("RESOURCE_EXHAUSTED", RETRY_INFO), 3),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], body: Any, seconds: float | None) -> None:
    assert retry_after_seconds(httpx.Headers(headers), body, now=NOW) == seconds


def test_every_kind_has_an_effect() -> None:
    assert set(EFFECTS) == set(Kind)
    assert [operation.value for operation in Operation] == ["transcription", "answer"]
