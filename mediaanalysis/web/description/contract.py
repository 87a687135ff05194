"""What each operation takes and answers, as data: OpenAPI is made of it, and a test holds it against the routes."""

from __future__ import annotations

import re
from typing import NamedTuple

from mediaanalysis.structs.principals import ADMIN, READ, WRITE
from mediaanalysis.structs.transcript import Transcript
from mediaanalysis.web.handlers.estimates import EstimateAnswer
from mediaanalysis.web.handlers.files import TRANSCRIPT_FORMS
from mediaanalysis.web.handlers.links import LinksAnswer
from mediaanalysis.web.handlers.results import ResultAnswer
from mediaanalysis.web.responses import answers


class Content(NamedTuple):
    """An answer: what it is, its body (a struct, or a media type, or nothing), the headers that matter, and the media
    types of its other forms."""

    about: str
    body: type | str | None = None
    headers: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()


class Operation(NamedTuple):
    """`errors` are codes; their statuses follow. `submits`: takes the analyze request as JSON or a form. `scope`: what
    the key must permit; None: no key is asked for."""

    summary: str
    answers: dict[int, Content]
    parameters: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    submits: bool = False
    scope: str | None = READ


ANYWHERE = ("bad_request", "head_too_large", "internal", "timeout", "busy")
"""What may befall any request."""
CONDITIONAL = ("If-None-Match",)
KEYED = ("unauthorized", "forbidden", "rate_limited", "database_unavailable")
ANALYSIS = (*KEYED, "invalid_id", "not_found", "deleted")
ARTIFACT = (*ANALYSIS, "not_ready", "expired", "storage_unavailable")
SUBMIT = (
    *("bad_json", "bad_multipart", "missing_field", "request_timeout", "idempotency_conflict"),
    *("body_too_large", "unsupported_content_type", "invalid_value", "unknown_field", "unknown_provider"),
    *("not_supported", "url_not_allowed", "idempotency_mismatch"),
    *("storage_unavailable", "shutting_down", "disk_full", "too_many_active", "queue_full", *KEYED),
)
REPEATS = ("Idempotency-Replayed", "Analysis-Reused")
ACCEPTED = {202: Content("Committed and queued", answers.AcceptedAnswer, ("Location", "Retry-After", *REPEATS))}
UNCHANGED = Content("Not modified", None, ("ETag",))
KEPT = ("ETag", "Retry-After", "Age", "Cache-Status")
"""Of answers that are kept in memory, and given again while the database is away."""
UNCHANGED_KEPT = Content("Not modified", None, KEPT)
BYTES = {
    200: Content("The whole file", "*/*", ("ETag", "Accept-Ranges")),
    206: Content("The range", "*/*", ("ETag", "Content-Range")),
    304: UNCHANGED,
}
LINK = ("expires", "key", "signature")
SUBTITLES = tuple(kind.partition(";")[0] for name, (kind, _) in TRANSCRIPT_FORMS.items() if name != "json")
RANGES = ("If-None-Match", "Range", "If-Range")
MOVED = {202: Content("Done; the new status", answers.StatusAnswer, ("Location",))}


def _submit(summary: str) -> Operation:
    """The analysis of an idempotency key may have been deleted since."""
    return Operation(summary, ACCEPTED, ("Idempotency-Key",), (*SUBMIT, "deleted"), submits=True, scope=WRITE)


def _artifact(summary: str, *parameters: str) -> Operation:
    errors = (*ARTIFACT, "link_invalid", "range_not_satisfiable")
    return Operation(summary, BYTES, ("analysis_id", *parameters, *RANGES, *LINK), errors)


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/api/media/analyze"): _submit("Analyze media of any kind"),
    ("POST", "/api/media/estimate"): Operation(
        "What a request would cost",
        {200: Content("The calls it would take, and their price", EstimateAnswer)},
        (),
        (*(code for code in SUBMIT if not code.startswith("idempotency")), "media_unusable", "not_ready", "busy"),
        submits=True,
        scope=WRITE,
    ),
    ("POST", "/api/media/video"): _submit("Analyze a video"),
    ("POST", "/api/media/audio"): _submit("Analyze sound"),
    ("POST", "/api/media/documents"): _submit("Analyze a document"),
    ("POST", "/api/media/images"): _submit("Analyze a picture"),
    ("GET", "/api/media/status/{analysis_id}"): Operation(
        "Status of an analysis",
        {200: Content("Where it stands", answers.StatusAnswer, KEPT), 304: UNCHANGED_KEPT},
        ("analysis_id", "wait", "Prefer", *CONDITIONAL),
        (*ANALYSIS, "bad_parameter"),
    ),
    ("GET", "/api/media/history"): Operation(
        "Analyses, filtered and sorted",
        {200: Content("A page", answers.HistoryAnswer)},
        ("page", "per_page", "status", "media_type", "date_from", "date_to", "sort_by", "order", "cursor"),
        (*KEYED, "bad_parameter"),
    ),
    ("GET", "/api/media/{analysis_id}"): Operation(
        "The whole result",
        {200: Content("All that is known", ResultAnswer, KEPT), 304: UNCHANGED_KEPT},
        ("analysis_id", *CONDITIONAL),
        ANALYSIS,
    ),
    ("DELETE", "/api/media/{analysis_id}"): Operation(
        "Delete an analysis", {204: Content("Deleted")}, ("analysis_id",), ANALYSIS, scope=WRITE
    ),
    ("POST", "/api/media/{analysis_id}/retry"): Operation(
        "Run a failed analysis again, from the stage that failed",
        MOVED,
        ("analysis_id",),
        (*ANALYSIS, "wrong_state", "too_many_active"),
        scope=WRITE,
    ),
    ("POST", "/api/media/{analysis_id}/cancel"): Operation(
        "Cancel an unfinished analysis", MOVED, ("analysis_id",), (*ANALYSIS, "wrong_state"), scope=WRITE
    ),
    ("GET", "/api/media/{analysis_id}/transcript"): Operation(
        "What was said",
        {200: Content("The transcript", Transcript, ("ETag",), SUBTITLES), 304: UNCHANGED},
        ("analysis_id", "format", *CONDITIONAL, *LINK),
        (*ARTIFACT, "link_invalid", "bad_parameter"),
    ),
    ("GET", "/api/media/{analysis_id}/contact-sheet"): _artifact("The contact sheet"),
    ("GET", "/api/media/{analysis_id}/frames"): Operation(
        "The frames and their times", {200: Content("The frames", answers.FramesAnswer)}, ("analysis_id",), ARTIFACT
    ),
    ("GET", "/api/media/{analysis_id}/frames/{n}"): _artifact("A frame", "n"),
    ("GET", "/api/media/{analysis_id}/files/{name}"): _artifact("A file", "name"),
    ("GET", "/api/media/{analysis_id}/links"): Operation(
        "Links that need no key, for a while",
        {200: Content("A link to each file and each form of the transcript", LinksAnswer)},
        ("analysis_id", "expires_in"),
        (*ANALYSIS, "bad_parameter"),
    ),
    ("GET", "/health"): Operation("The process lives", {200: Content("It does", answers.HealthAnswer)}, scope=None),
    ("GET", "/health/ready"): Operation(
        "The service can work",
        {200: Content("Ready", answers.ReadinessAnswer), 503: Content("Unready", answers.ReadinessAnswer)},
        scope=None,
    ),
    ("GET", "/metrics"): Operation(
        "Metrics of this process",
        {200: Content("Prometheus text format", "text/plain")},
        errors=("unauthorized", "forbidden", "database_unavailable"),
        scope=ADMIN,
    ),
    ("GET", "/openapi.json"): Operation(
        "This description", {200: Content("OpenAPI 3.1", "application/json")}, scope=None
    ),
    ("GET", "/docs"): Operation("This description, readable", {200: Content("A page", "text/html")}, scope=None),
    ("GET", "/"): Operation("What to try first", {200: Content("A page", "text/html")}, scope=None),
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
        ("GET", "/api/media/{analysis_id}/links"),
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


def operation_id(method: str, path: str) -> str:
    words = re.findall(r"[a-z_]+", path.removeprefix("/api/media"))
    return "_".join([method.lower(), *words])
