"""What vendors say went wrong, in all the shapes they say it in: a kind, a message, a wait.

Shapes: `{"error": {...}}` with string or integer codes (OpenAI, Groq, OpenRouter, vLLM, Google, MiniMax), `{"error":
"..."}` (Ollama), `{"detail": ...}` (FastAPI), `{"err_code", "err_msg"}` and `{"category", "message"}` (Deepgram),
`{"code", "reason", "message"}` (Novita), `{"base_resp": {...}}` in HTTP 200 (MiniMax), a list around any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from mediaanalysis.providers.vendors.failures import Kind, of_status
from mediaanalysis.providers.vendors.fields import count, number

BY_CODE: dict[str, Kind] = {
    "insufficient_quota": Kind.QUOTA,
    "insufficient_balance_error": Kind.QUOTA,
    "asr_payment_required": Kind.QUOTA,
    "billing_hard_limit_reached": Kind.QUOTA,
    "rate_limit_exceeded": Kind.BUSY,
    "too_many_requests": Kind.BUSY,
    "slow_down": Kind.BUSY,
    "provider_overloaded": Kind.BUSY,
    "server_is_overloaded": Kind.FAILED,
    "provider_unavailable": Kind.FAILED,
    "timeout": Kind.TIMEOUT,
    "content_filter": Kind.REFUSED,
    "content_policy_violation": Kind.REFUSED,
    "moderation_blocked": Kind.REFUSED,
    "refusal": Kind.REFUSED,
    "context_length_exceeded": Kind.REJECTED,
    "invalid_api_key": Kind.CREDENTIALS,
    "api_key_invalid": Kind.CREDENTIALS,
    "service_disabled": Kind.CREDENTIALS,
    "invalid_auth": Kind.CREDENTIALS,
    "insufficient_permissions": Kind.CREDENTIALS,
    "model_access_denied": Kind.CREDENTIALS,
    "unavailable": Kind.FAILED,
    "internal": Kind.FAILED,
    "deadline_exceeded": Kind.TIMEOUT,
}
"""Codes, types and reasons that say more than the status."""

MINIMAX: dict[int, Kind] = {
    **dict.fromkeys((1000, 1013, 1024, 1033), Kind.FAILED),
    1001: Kind.TIMEOUT,
    **dict.fromkeys((1002, 1041, 2045), Kind.BUSY),
    **dict.fromkeys((1004, 2049, 2038, 2061), Kind.CREDENTIALS),
    **dict.fromkeys((1008, 1028, 1030, 2056), Kind.QUOTA),
    **dict.fromkeys((1026, 1027), Kind.REFUSED),
    **dict.fromkeys((1039, 1042, 2013), Kind.REJECTED),
}
"""Its internal codes, which decide whatever the HTTP status is: 1008 was seen with 402, 429 and 500."""


class Fault(Struct, frozen=True):
    kind: Kind
    message: str


def read(status: int, body: Any) -> Fault:
    """The fault in an answer with an error status; a body that says nothing leaves it to the status."""
    error = _unwrapped(body)
    kind = _minimax(error) or _google(error) or _by_code(status, error) or of_status(status)
    return Fault(kind, _message(error))


def hidden(body: Any) -> Fault | None:
    """The fault in an answer with a success status; None where there is none."""
    if not isinstance(body, Mapping):
        return None
    base = body.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):
        code = count(base["status_code"])
        kind = Kind.FAILED if code is None else MINIMAX.get(code, Kind.FAILED)
        return Fault(kind, f"{base.get('status_msg') or 'failed'} ({base['status_code']})")
    if not body.get("error"):
        return None
    error = _unwrapped(body)
    status = count(error.get("code")) or 500
    kind = _minimax(error) or _by_code(status, error) or of_status(status if 400 <= status < 600 else 500)
    return Fault(kind, _message(error))


def _unwrapped(body: Any) -> dict[str, Any]:
    """The innermost object that describes the fault."""
    if isinstance(body, list):
        body = body[0] if body else {}
    if isinstance(body, str):
        return {"message": body}
    if not isinstance(body, dict):
        return {}
    base = body.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return {"message": f"{base.get('status_msg')} ({base['status_code']})", "http_code": ""}
    error = body.get("error")
    if isinstance(error, str):
        return {**body, "message": error}
    return error if isinstance(error, dict) else body


def _message(error: Mapping[str, Any]) -> str:
    said = error.get("message") or error.get("err_msg") or error.get("detail") or error.get("reason") or ""
    if isinstance(said, list):
        said = "; ".join(str(one.get("msg", one)) if isinstance(one, dict) else str(one) for one in said[:3])
    details = error.get("details")
    return f"{said} {details}" if isinstance(details, str) else str(said)


def _minimax(error: Mapping[str, Any]) -> Kind | None:
    """By the internal code, in brackets at the end of the message."""
    if "http_code" not in error:
        return None
    found = re.search(r"\((\d{4})\)\s*$", str(error.get("message")))
    return MINIMAX.get(int(found[1])) if found else None


def _google(error: Mapping[str, Any]) -> Kind | None:
    """A wrong key is a 400 there; a quota of the day stays used up, one of the minute does not."""
    for detail in _details(error):
        reason = BY_CODE.get(str(detail.get("reason", "")).lower())
        if reason is not None:
            return reason
        violations = detail.get("violations")
        if isinstance(violations, list) and any("PerDay" in str(one) for one in violations):
            return Kind.QUOTA
    return None


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    if isinstance(details, list):
        yield from (one for one in details if isinstance(one, Mapping))


def _by_code(status: int, error: Mapping[str, Any]) -> Kind | None:
    """Words of a server in trouble do not excuse a status that says the request is wrong, nor the reverse."""
    metadata = error.get("metadata")
    more = metadata.get("error_type") if isinstance(metadata, Mapping) else None
    for word in (more, error.get("code"), error.get("err_code"), error.get("reason"), error.get("type")):
        kind = BY_CODE.get(str(word).lower())
        if kind is not None and (status != 413 or kind is Kind.REJECTED):
            return kind
    return None


def retry_delay_seconds(body: Any) -> float | None:
    """A wait that stands in the body: Google's RetryInfo, OpenRouter's availability."""
    error = _unwrapped(body)
    for detail in _details(error):
        delay = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")))
        if delay:
            return float(delay[1])
    for place in (error.get("availability"), error.get("metadata"), error):
        if isinstance(place, Mapping):
            found = number(place.get("retry_after")) or number(place.get("retry_after_seconds"))
            if found is not None:
                return found
    return None
