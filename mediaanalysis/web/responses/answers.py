"""What the contract answers with: structs, and how they become responses. OpenAPI is made from these structs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mediaanalysis.store.analyses import Status
from mediaanalysis.store.history import HistoryRow
from mediaanalysis.structs.media import Tile
from mediaanalysis.structs.requests import AnalysisStatus, MediaType
from mediaanalysis.web.responses import ranges
from mediaanalysis.web.responses.cache import Answer

JSON = "application/json"
ASK_AGAIN_SECONDS = 1
BODY_HEADERS = frozenset({b"content-type", b"content-length"})

_encode = msgspec.json.Encoder(decimal_format="number").encode


class AcceptedAnswer(Struct, frozen=True):
    """The analysis is committed and queued. `estimated_time` is in seconds until its end, by the queue as it stands
    and past durations; null while there are none."""

    analysis_id: UUID
    correlation_id: UUID
    status: AnalysisStatus
    estimated_time: int | None
    message: str


class ResultSummary(Struct, frozen=True):
    summary: str | None = None
    topics: tuple[str, ...] = ()


class StatusAnswer(Struct, frozen=True, kw_only=True):
    """Where an analysis stands. While it waits: `queue_position` among the owner's own, 1 is next, 1001 means that far
    or further; and `estimated_time`, seconds until its end, where past durations tell."""

    analysis_id: UUID
    status: AnalysisStatus
    progress: int
    stage: str | None
    media_type: MediaType
    source_url: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    result_summary: ResultSummary | None
    error_code: str | None
    error_message: str | None
    retry_count: int
    correlation_id: UUID
    queue_position: int | UnsetType = UNSET
    estimated_time: int | UnsetType = UNSET


class HistoryEntry(StatusAnswer, frozen=True, kw_only=True):
    """An analysis in a list."""

    prompt: str
    priority: int
    original_filename: str | None


class FileAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stored file. `url` is a path on this service."""

    filename: str
    kind: str
    mime_type: str
    size_bytes: int
    checksum: str
    url: str
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    at_seconds: float | None = None
    expires_at: datetime | None = None


class ContactSheetAnswer(Struct, frozen=True, kw_only=True):
    """The frames in one picture: rows x columns, width x height, and where and when each tile is."""

    grid_layout: str
    resolution: str
    frames_count: int
    tiles: tuple[Tile, ...]
    url: str


class FrameAnswer(Struct, frozen=True, kw_only=True):
    """A picture out of a video. `n` counts from 1; `at_seconds` is the frame's true time."""

    n: int
    filename: str
    at_seconds: float | None
    width: int | None
    height: int | None
    size_bytes: int
    checksum: str
    url: str


class FramesAnswer(Struct, frozen=True):
    analysis_id: UUID
    frames: tuple[FrameAnswer, ...]


class Pagination(Struct, frozen=True, kw_only=True):
    """`total` is exact up to a bound; beyond it `total_is_estimate` is true. `next_cursor` leads to the next page
    and stays right while new analyses come in; null on the last."""

    page: int
    per_page: int
    total: int
    total_pages: int
    total_is_estimate: bool
    next_cursor: str | None


class HistoryAnswer(Struct, frozen=True):
    data: tuple[HistoryEntry, ...]
    pagination: Pagination


class HealthAnswer(Struct, frozen=True):
    status: str
    service: str
    version: str


class PartHealth(Struct, frozen=True):
    """`state` is ok, warning or failed."""

    state: str
    detail: str


class ReadinessAnswer(Struct, frozen=True):
    """`status` is ready or unready; unready is a 503."""

    status: str
    parts: dict[str, PartHealth]


def status_fields(row: Status | HistoryRow) -> dict[str, Any]:
    """The fields of `StatusAnswer` out of a row."""
    return {
        "analysis_id": row.id,
        "status": row.status,
        "progress": row.progress,
        "stage": row.stage,
        "media_type": row.media_type,
        "source_url": row.media_url,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "started_at": row.started_at,
        "completed_at": row.completed_at,
        "result_summary": row.result_summary and msgspec.convert(row.result_summary, ResultSummary),
        "error_code": row.error_code,
        "error_message": row.error_message,
        "retry_count": row.retry_count,
        "correlation_id": row.correlation_id,
    }


def encode(value: Any) -> bytes:
    """As JSON; decimals as numbers, times as RFC 3339."""
    return _encode(value)


def encoded(
    value: Any, *, is_final: bool, keep_seconds: float = 0, media_type: str = JSON, version: object = None
) -> Answer:
    """An answer with a strong entity tag. A client asks again with it, and after a while if it is not final."""
    body = value if isinstance(value, bytes) else encode(value)
    etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"etag", etag.encode()),
        (b"cache-control", b"private, no-cache"),
    ]
    if not is_final:
        headers.append((b"retry-after", b"%d" % ASK_AGAIN_SECONDS))
    return Answer(body, etag, tuple(headers), is_final, keep_seconds, version)


async def deliver(answer: Answer, scope: Scope, send: Send) -> None:
    """Send the answer, or 304 if the client has it."""
    condition = next((value for name, value in scope["headers"] if name == b"if-none-match"), None)
    unchanged = condition is not None and ranges.matches(condition.decode("latin-1"), answer.etag)
    headers = [header for header in answer.headers if header[0] not in BODY_HEADERS] if unchanged else answer.headers
    await send({"type": "http.response.start", "status": 304 if unchanged else 200, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"" if unchanged else answer.body})


class EncodedResponse(Response):
    """An encoded answer as a response, 304 if the client has it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status_code = 200
        self.background = None
        self.body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await deliver(self._answer, scope, send)


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response that nobody keeps."""
    return Response(
        encode(value), status_code=status, headers={"cache-control": "no-store", **(headers or {})}, media_type=JSON
    )
