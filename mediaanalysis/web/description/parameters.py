"""What may stand in paths, queries and headers, as OpenAPI describes it."""

from __future__ import annotations

from typing import Any

from mediaanalysis.store.history import SortBy
from mediaanalysis.structs.requests import MediaType
from mediaanalysis.web.access import links
from mediaanalysis.web.handlers.history import LISTED, PAGE_MAX, PER_PAGE, PER_PAGE_MAX
from mediaanalysis.web.handlers.polls import WAIT_MAX_SECONDS
from mediaanalysis.web.requests.parameters import NUMBER_MAX


def _parameter(name: str, place: str, about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "description": about, "required": place == "path", "schema": schema}


STRING = {"type": "string"}
MOMENT = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}

PARAMETERS: dict[str, dict[str, Any]] = {
    "analysis_id": _parameter("analysis_id", "path", "The analysis.", {"type": "string", "format": "uuid"}),
    "n": _parameter("n", "path", "Number of the frame.", {"type": "integer", "minimum": 1}),
    "name": _parameter("name", "path", "A file's name as listed with the result.", STRING),
    "X-Correlation-ID": _parameter(
        "X-Correlation-ID",
        "header",
        "A UUID of the client's, echoed and logged. Anything else is replaced by a new one.",
        STRING,
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
        {"type": "integer", "minimum": 0, "maximum": NUMBER_MAX},
    ),
    "format": _parameter(
        "format", "query", "Form of the transcript.", {"enum": ["json", "txt", "srt", "vtt"], "default": "json"}
    ),
    "page": _parameter(
        "page", "query", "From 1.", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 1}
    ),
    "per_page": _parameter(
        "per_page",
        "query",
        "Entries per page.",
        {"type": "integer", "minimum": 1, "maximum": PER_PAGE_MAX, "default": PER_PAGE},
    ),
    "status": _parameter("status", "query", "Only these.", {"enum": list(LISTED)}),
    "media_type": _parameter("media_type", "query", "Only these.", {"enum": list(MediaType)}),
    "date_from": _parameter("date_from", "query", "Created at or after; a date or a time with zone.", MOMENT),
    "date_to": _parameter("date_to", "query", "Created at or before; a date means all of that day.", MOMENT),
    "sort_by": _parameter("sort_by", "query", "Order by.", {"enum": list(SortBy), "default": "created_at"}),
    "order": _parameter("order", "query", "Direction.", {"enum": ["asc", "desc"], "default": "desc"}),
    "expires_in": _parameter(
        "expires_in",
        "query",
        "Seconds for which the links work.",
        {
            "type": "integer",
            "minimum": links.SHORTEST_SECONDS,
            "maximum": links.LONGEST_SECONDS,
            "default": links.USUAL_SECONDS,
        },
    ),
    "expires": _parameter("expires", "query", "Of a signed link, which stands instead of a key.", STRING),
    "key": _parameter("key", "query", "Of a signed link: the id of the key that made it.", STRING),
    "signature": _parameter("signature", "query", "Of a signed link, behind everything else.", STRING),
    "cursor": _parameter("cursor", "query", "`next_cursor` of the page before; instead of `page`.", STRING),
}
