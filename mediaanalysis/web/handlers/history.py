"""The list of analyses: filtered, sorted, by page or by cursor."""

from __future__ import annotations

import asyncio
import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from mediaanalysis.store import history as store
from mediaanalysis.store.history import HistoryRow, Place, Query, SortBy
from mediaanalysis.structs.requests import AnalysisStatus, MediaType
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.requests import parameters
from mediaanalysis.web.responses import answers

PER_PAGE = 20
PER_PAGE_MAX = 100
PAGE_MAX = 1_000_000
Priority = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
"""What the database compares priorities with."""
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
LISTED = tuple(status for status in AnalysisStatus if status is not AnalysisStatus.DELETED)
NAMES = ("page", "per_page", "status", "media_type", "date_from", "date_to", "sort_by", "order", "cursor")


class Cursor(Struct, frozen=True):
    """Where the next page begins, and in which order: a cursor of another order leads nowhere."""

    sort_by: SortBy
    descending: bool
    after: Place


async def page(edge: Edge, request: Request) -> Response:
    query = _query(request)
    db = edge.services.database.pool
    found, total = await asyncio.gather(store.read_page(db, query), store.read_total(db, query))
    for row in found.rows:
        edge.cache.saw(str(row.id), row.updated_at)
    following = _encode(Cursor(query.sort_by, query.descending, found.last)) if found.last else None
    pagination = answers.Pagination(
        page=query.page,
        per_page=query.per_page,
        total=total.count,
        total_pages=-(-total.count // query.per_page),
        total_is_estimate=not total.is_exact,
        next_cursor=following,
    )
    return answers.reply(answers.HistoryAnswer(tuple(map(_entry, found.rows)), pagination))


def _query(request: Request) -> Query:
    """The request's question. Every fault names its parameter."""
    parameters.check_known(request, NAMES)
    status = parameters.choice(request, "status", LISTED)
    media_type = parameters.choice(request, "media_type", list(MediaType))
    date_from = parameters.moment(request, "date_from")
    date_to = parameters.moment(request, "date_to", end_of_day=True)
    if date_from and date_to and date_from > date_to:
        raise parameters.bad("date_from", "a time before date_to")
    sort_by = SortBy(parameters.choice(request, "sort_by", list(SortBy)) or SortBy.CREATED_AT)
    descending = parameters.choice(request, "order", ("asc", "desc")) != "asc"
    return Query(
        owner_id=parameters.owner(request),
        statuses=(AnalysisStatus(status),) if status else (),
        media_types=(MediaType(media_type),) if media_type else (),
        date_from=date_from,
        date_to=_following(date_to),
        sort_by=sort_by,
        descending=descending,
        page=parameters.number(request, "page", 1, minimum=1, maximum=PAGE_MAX),
        per_page=parameters.number(request, "per_page", PER_PAGE, minimum=1, maximum=PER_PAGE_MAX),
        after=_after(request, sort_by, descending),
    )


def _following(at: datetime | None) -> datetime | None:
    """The microsecond after, which the filter excludes; None, no limit, after the last that can be written."""
    return None if at is None or at == LAST_MOMENT else at + timedelta(microseconds=1)


def _after(request: Request, sort_by: SortBy, descending: bool) -> Place | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text), type=Cursor)
    except (binascii.Error, ValueError):
        raise parameters.bad("cursor", "the next_cursor of a page") from None
    if (cursor.sort_by, cursor.descending) != (sort_by, descending) or not _fits(cursor):
        raise parameters.bad("cursor", "the next_cursor of a page with the same sort_by and order")
    return cursor.after


def _fits(cursor: Cursor) -> bool:
    """Whether the place has the value its order needs."""
    kinds: dict[SortBy, Any] = {SortBy.STATUS: AnalysisStatus, SortBy.MEDIA_TYPE: MediaType, SortBy.PRIORITY: Priority}
    try:
        msgspec.convert(cursor.after.value, kinds.get(cursor.sort_by, type(None)))
    except msgspec.ValidationError:
        return False
    return True


def _encode(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode()


def _entry(row: HistoryRow) -> answers.HistoryEntry:
    return answers.HistoryEntry(
        **answers.status_fields(row), prompt=row.prompt, priority=row.priority, original_filename=row.original_filename
    )
