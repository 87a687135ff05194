"""What each operation takes and answers, as data: OpenAPI is made of it, and a test holds it against the routes."""

from __future__ import annotations

from typing import Any, NamedTuple

from mediaanalysis.store.history import SortBy
from mediaanalysis.structs.requests import MediaType
from mediaanalysis.structs.transcript import Transcript
from mediaanalysis.web.handlers.estimates import EstimateAnswer
from mediaanalysis.web.handlers.history import LISTED, PER_PAGE, PER_PAGE_MAX
from mediaanalysis.web.handlers.polls import WAIT_MAX_SECONDS
from mediaanalysis.web.handlers.results import ResultAnswer
from mediaanalysis.web.responses import answers


class Content(NamedTuple):
    """An answer: what it is, its body (a struct, or a media type, or nothing), the headers that matter."""

    about: str
    body: type | str | None = None
    headers: tuple[str, ...] = ()


class Operation(NamedTuple):
    """`errors` are codes; their statuses follow. `submits`: takes the analyze request as JSON or as a form."""

    summary: str
    answers: dict[int, Content]
    parameters: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    submits: bool = False


def _parameter(name: str, place: str, about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "description": about, "required": place == "path", "schema": schema}


STRING = {"type": "string"}

PARAMETERS: dict[str, dict[str, Any]] = {
    "analysis_id": _parameter("analysis_id", "path", "The analysis.", {"type": "string", "format": "uuid"}),
    "n": _parameter("n", "path", "Number of the frame.", {"type": "integer", "minimum": 1}),
    "name": _parameter("name", "path", "A file's name as listed with the result.", STRING),
    "X-Correlation-ID": _parameter(
        "X-Correlation-ID", "header", "A UUID of the client's, echoed and logged.", {"type": "string", "format": "uuid"}
    ),
    "traceparent": _parameter("traceparent", "header", "W3C trace context; echoed and logged.", STRING),
    "Idempotency-Key": _parameter(
        "Idempotency-Key",
        "header",
        "The same key with the same request answers with the first analysis.",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    ),
    "If-None-Match": _parameter("If-None-Match", "header", "304 if the version is still this one.", STRING),
    "If-Range": _parameter("If-Range", "header", "Ignore Range if the version is another.", STRING),
    "Range": _parameter("Range", "header", "One range of bytes, also `bytes=-500`.", STRING),
    "Prefer": _parameter("Prefer", "header", "`wait=N`, as the parameter `wait`.", STRING),
    "wait": _parameter(
        "wait",
        "query",
        f"Seconds (at most {WAIT_MAX_SECONDS}) to hold the answer back until it is news: the next change, or one "
        "since the version named by If-None-Match.",
        {"type": "integer", "minimum": 0},
    ),
    "format": _parameter(
        "format", "query", "Form of the transcript.", {"enum": ["json", "txt", "srt", "vtt"], "default": "json"}
    ),
    "page": _parameter("page", "query", "From 1.", {"type": "integer", "minimum": 1, "default": 1}),
    "per_page": _parameter(
        "per_page",
        "query",
        "Entries per page.",
        {"type": "integer", "minimum": 1, "maximum": PER_PAGE_MAX, "default": PER_PAGE},
    ),
    "status": _parameter("status", "query", "Only these.", {"enum": list(LISTED)}),
    "media_type": _parameter("media_type", "query", "Only these.", {"enum": list(MediaType)}),
    "date_from": _parameter("date_from", "query", "Created at or after; a date or a time with zone.", STRING),
    "date_to": _parameter("date_to", "query", "Created at or before; a date means all of that day.", STRING),
    "sort_by": _parameter("sort_by", "query", "Order by.", {"enum": list(SortBy), "default": "created_at"}),
    "order": _parameter("order", "query", "Direction.", {"enum": ["asc", "desc"], "default": "desc"}),
    "cursor": _parameter("cursor", "query", "`next_cursor` of the page before; instead of `page`.", STRING),
}

CONDITIONAL = ("If-None-Match",)
ANALYSIS = ("invalid_id", "not_found", "deleted", "database_unavailable", "timeout", "internal")
ARTIFACT = (*ANALYSIS, "not_ready", "expired", "storage_unavailable")
SUBMIT = (
    *("bad_json", "bad_multipart", "missing_field", "bad_request", "request_timeout", "idempotency_conflict"),
    *("body_too_large", "unsupported_content_type", "invalid_value", "unknown_field", "unknown_provider"),
    *("not_supported", "url_not_allowed", "idempotency_mismatch", "internal", "database_unavailable", "timeout"),
    *("storage_unavailable", "shutting_down", "disk_full"),
)
ACCEPTED = {202: Content("Committed and queued", answers.AcceptedAnswer, ("Location", "Retry-After"))}
UNCHANGED = Content("Not modified", None, ("ETag",))
BYTES = {
    200: Content("The whole file", "*/*", ("ETag", "Accept-Ranges")),
    206: Content("The range", "*/*", ("ETag", "Content-Range")),
    304: UNCHANGED,
}
RANGES = ("If-None-Match", "Range", "If-Range")
MOVED = {202: Content("Done; the new status", answers.StatusAnswer, ("Location",))}


def _submit(summary: str) -> Operation:
    return Operation(summary, ACCEPTED, ("Idempotency-Key",), SUBMIT, submits=True)


def _artifact(summary: str, *parameters: str) -> Operation:
    return Operation(summary, BYTES, ("analysis_id", *parameters, *RANGES), (*ARTIFACT, "range_not_satisfiable"))


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/api/media/analyze"): _submit("Analyze media of any kind"),
    ("POST", "/api/media/estimate"): Operation(
        "What a request would cost",
        {200: Content("The calls it would take, and their price", EstimateAnswer)},
        (),
        (*(code for code in SUBMIT if not code.startswith("idempotency")), "media_unusable", "not_ready"),
        submits=True,
    ),
    ("POST", "/api/media/video"): _submit("Analyze a video"),
    ("POST", "/api/media/audio"): _submit("Analyze sound"),
    ("POST", "/api/media/documents"): _submit("Analyze a document"),
    ("POST", "/api/media/images"): _submit("Analyze a picture"),
    ("GET", "/api/media/status/{analysis_id}"): Operation(
        "Status of an analysis",
        {200: Content("Where it stands", answers.StatusAnswer, ("ETag", "Retry-After")), 304: UNCHANGED},
        ("analysis_id", "wait", "Prefer", *CONDITIONAL),
        (*ANALYSIS, "bad_parameter"),
    ),
    ("GET", "/api/media/history"): Operation(
        "Analyses, filtered and sorted",
        {200: Content("A page", answers.HistoryAnswer)},
        ("page", "per_page", "status", "media_type", "date_from", "date_to", "sort_by", "order", "cursor"),
        ("bad_parameter", "database_unavailable", "timeout", "internal"),
    ),
    ("GET", "/api/media/{analysis_id}"): Operation(
        "The whole result",
        {200: Content("All that is known", ResultAnswer, ("ETag", "Retry-After")), 304: UNCHANGED},
        ("analysis_id", *CONDITIONAL),
        ANALYSIS,
    ),
    ("DELETE", "/api/media/{analysis_id}"): Operation(
        "Delete an analysis", {204: Content("Deleted")}, ("analysis_id",), ANALYSIS
    ),
    ("POST", "/api/media/{analysis_id}/retry"): Operation(
        "Run a failed analysis again, from the stage that failed", MOVED, ("analysis_id",), (*ANALYSIS, "wrong_state")
    ),
    ("POST", "/api/media/{analysis_id}/cancel"): Operation(
        "Cancel an unfinished analysis", MOVED, ("analysis_id",), (*ANALYSIS, "wrong_state")
    ),
    ("GET", "/api/media/{analysis_id}/transcript"): Operation(
        "What was said",
        {200: Content("The transcript", Transcript, ("ETag",)), 304: UNCHANGED},
        ("analysis_id", "format", *CONDITIONAL),
        (*ARTIFACT, "bad_parameter"),
    ),
    ("GET", "/api/media/{analysis_id}/contact-sheet"): _artifact("The contact sheet"),
    ("GET", "/api/media/{analysis_id}/frames"): Operation(
        "The frames and their times", {200: Content("The frames", answers.FramesAnswer)}, ("analysis_id",), ARTIFACT
    ),
    ("GET", "/api/media/{analysis_id}/frames/{n}"): _artifact("A frame", "n"),
    ("GET", "/api/media/{analysis_id}/files/{name}"): _artifact("A file", "name"),
    ("GET", "/health"): Operation("The process lives", {200: Content("It does", answers.HealthAnswer)}),
    ("GET", "/health/ready"): Operation(
        "The service can work",
        {200: Content("Ready", answers.ReadinessAnswer), 503: Content("Unready", answers.ReadinessAnswer)},
    ),
    ("GET", "/metrics"): Operation("Metrics of this process", {200: Content("Prometheus text format", "text/plain")}),
    ("GET", "/openapi.json"): Operation("This description", {200: Content("OpenAPI 3.1", "application/json")}),
    ("GET", "/docs"): Operation("This description, readable", {200: Content("A page", "text/html")}),
    ("GET", "/"): Operation("What to try first", {200: Content("A page", "text/html")}),
}

GROUPS: dict[str, tuple[tuple[str, str], ...]] = {
    "Send": (
        ("POST", "/api/media/analyze"),
        ("POST", "/api/media/video"),
        ("POST", "/api/media/audio"),
        ("POST", "/api/media/images"),
        ("POST", "/api/media/documents"),
        ("POST", "/api/media/estimate"),
    ),
    "Follow": (
        ("GET", "/api/media/status/{analysis_id}"),
        ("GET", "/api/media/history"),
        ("POST", "/api/media/{analysis_id}/retry"),
        ("POST", "/api/media/{analysis_id}/cancel"),
        ("DELETE", "/api/media/{analysis_id}"),
    ),
    "Read": (
        ("GET", "/api/media/{analysis_id}"),
        ("GET", "/api/media/{analysis_id}/transcript"),
        ("GET", "/api/media/{analysis_id}/contact-sheet"),
        ("GET", "/api/media/{analysis_id}/frames"),
        ("GET", "/api/media/{analysis_id}/frames/{n}"),
        ("GET", "/api/media/{analysis_id}/files/{name}"),
    ),
    "Operate": (
        ("GET", "/health"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/"),
    ),
}
"""What belongs together, in the order in which a client meets it: OpenAPI's tags. Each operation stands in one."""
