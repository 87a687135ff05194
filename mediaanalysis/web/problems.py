"""Errors as answers: RFC 9457 `application/problem+json`, one shape for every status.

`code` is the stable word to program against, `detail` says what to change, `errors` points at the value at fault:
an RFC 6901 pointer into the body, or, for `bad_parameter`, into the query parameters taken as an object.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
from msgspec import Struct
from starlette.responses import Response

from mediaanalysis.errors import CODES, MediaAnalysisError, RequestError

RETRY_AFTER_SECONDS = 5
_RETRY_STATUSES = frozenset({409, 503, 507})


class Refusal(RequestError):
    """A refused request whose answer needs headers of its own (405 `Allow`, 416 `Content-Range`)."""

    def __init__(self, detail: str, *, code: str, headers: Mapping[str, str]) -> None:
        super().__init__(detail, code=code)
        self.headers = headers


class FaultyValue(Struct, frozen=True):
    """One value at fault."""

    pointer: str
    detail: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[FaultyValue, ...] = ()


def problem(error: MediaAnalysisError, request_id: str) -> Problem:
    """The public words of an error. A code without a status of its own is this service's fault: 500."""
    code = CODES[error.code]
    pointer = error.pointer if isinstance(error, RequestError) else None
    return Problem(
        type=f"/docs#{error.code}",
        title=code.title,
        status=code.status or 500,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
        errors=() if pointer is None else (FaultyValue(pointer, error.detail),),
    )


def respond(error: MediaAnalysisError, request_id: str, *, body_unread: bool = False) -> Response:
    """The answer to a failed request. The connection is closed where the rest of the body would have to be read."""
    found = problem(error, request_id)
    headers = {"cache-control": "no-store"}
    if isinstance(error, Refusal):
        headers.update(error.headers)
    if error.retryable and found.status in _RETRY_STATUSES:
        headers["retry-after"] = str(math.ceil(error.retry_after_seconds or RETRY_AFTER_SECONDS))
    if body_unread:
        headers["connection"] = "close"
    return Response(
        msgspec.json.encode(found),
        status_code=found.status,
        headers=headers,
        media_type="application/problem+json",
    )
