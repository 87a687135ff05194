"""Pages of an owner's analyses, and how many there are. See `sql/history.sql`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.requests import AnalysisStatus, MediaType

EXACT_TOTAL_MAX = 10_000

_SQL = statements.load("history")
_SHOWN = tuple(status for status in AnalysisStatus if status is not AnalysisStatus.DELETED)


class SortBy(StrEnum):
    CREATED_AT = "created_at"
    COMPLETED_AT = "completed_at"
    UPDATED_AT = "updated_at"
    STATUS = "status"
    MEDIA_TYPE = "media_type"
    PRIORITY = "priority"


_PAGES = {
    (SortBy.CREATED_AT, True): _SQL.page_created_descending,
    (SortBy.CREATED_AT, False): _SQL.page_created_ascending,
    (SortBy.COMPLETED_AT, True): _SQL.page_completed_descending,
    (SortBy.COMPLETED_AT, False): _SQL.page_completed_ascending,
    (SortBy.UPDATED_AT, True): _SQL.page_updated_descending,
    (SortBy.UPDATED_AT, False): _SQL.page_updated_ascending,
    (SortBy.STATUS, True): _SQL.page_status_descending,
    (SortBy.STATUS, False): _SQL.page_status_ascending,
    (SortBy.MEDIA_TYPE, True): _SQL.page_media_type_descending,
    (SortBy.MEDIA_TYPE, False): _SQL.page_media_type_ascending,
    (SortBy.PRIORITY, True): _SQL.page_priority_descending,
    (SortBy.PRIORITY, False): _SQL.page_priority_ascending,
}

# Before everything, in either direction, of each order that has a value before its time.
_FIRST_VALUES: dict[SortBy, tuple[str | int, str | int]] = {
    SortBy.STATUS: (AnalysisStatus.PENDING, AnalysisStatus.DELETED),
    SortBy.MEDIA_TYPE: (MediaType.VIDEO, MediaType.UNKNOWN),
    SortBy.PRIORITY: (-1, 11),
}


class Place(Struct, frozen=True):
    """A row's place in an order: show what comes after it. `at` None: the row has no such time yet."""

    id: UUID
    at: datetime | None
    value: str | int | None = None


class Query(Struct, frozen=True, kw_only=True):
    """One question of history. Empty filters show everything but what was deleted.

    `date_from` is inclusive, `date_to` exclusive. `page` counts from 1, after the place `after` if there is one.
    """

    owner_id: UUID
    statuses: tuple[AnalysisStatus, ...] = ()
    media_types: tuple[MediaType, ...] = ()
    date_from: datetime | None = None
    date_to: datetime | None = None
    sort_by: SortBy = SortBy.CREATED_AT
    descending: bool = True
    page: int = 1
    per_page: int = 20
    after: Place | None = None


class HistoryRow(Struct, frozen=True, kw_only=True):
    id: UUID
    correlation_id: UUID
    status: AnalysisStatus
    progress: int
    stage: str | None
    media_type: MediaType
    priority: int
    media_url: str | None
    original_filename: str | None
    prompt: str
    result_summary: dict[str, Any] | None
    error_code: str | None
    error_message: str | None
    retry_count: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


class Page(Struct, frozen=True):
    """`last` is where the next page begins; None where this is the last."""

    rows: list[HistoryRow]
    last: Place | None


class Total(Struct, frozen=True):
    """Exact up to EXACT_TOTAL_MAX, the planner's estimate beyond."""

    count: int
    is_exact: bool


async def read_page(db: Db, query: Query) -> Page:
    """Two short statements, however long the history."""
    asked = _question(query) | {"skip": (query.page - 1) * query.per_page, "count": query.per_page + 1}
    found = await db.fetch(_PAGES[query.sort_by, query.descending], query.owner_id, asked)
    ids = [record["id"] for record in found[: query.per_page]]
    shown = rows.every(await db.fetch(_SQL.read_rows, ids) if ids else [], HistoryRow)
    return Page(shown, _place(shown[-1], query.sort_by) if shown and len(found) > query.per_page else None)


async def read_total(db: Db, query: Query) -> Total:
    """How many rows all pages of the query hold; its place and page do not matter."""
    asked = _question(query)
    count = await db.fetchval(_SQL.count_bounded, query.owner_id, asked, EXACT_TOTAL_MAX + 1)
    if count <= EXACT_TOTAL_MAX:
        return Total(count, is_exact=True)
    plan = await db.fetchval(_SQL.estimate, query.owner_id, asked["statuses"], query.media_types or None, asked)
    return Total(max(_planned_rows(plan), EXACT_TOTAL_MAX + 1), is_exact=False)


def _planned_rows(plan: str) -> int:
    return int(msgspec.json.decode(plan)[0]["Plan"]["Plan Rows"])


def _question(query: Query) -> dict[str, Any]:
    return {
        "statuses": query.statuses or _SHOWN,
        "media_types": query.media_types or tuple(MediaType),
        "date_from": query.date_from or "-infinity",
        "date_to": query.date_to or "infinity",
        **_after(query),
    }


def _after(query: Query) -> dict[str, Any]:
    if query.after is not None:
        return {"value": query.after.value, "at": query.after.at or "-infinity", "id": query.after.id}
    lowest, highest = _FIRST_VALUES.get(query.sort_by, (None, None))
    if query.descending:
        return {"value": highest, "at": "infinity", "id": UUID(int=2**128 - 1)}
    return {"value": lowest, "at": "-infinity", "id": UUID(int=0)}


def _place(row: HistoryRow, sort_by: SortBy) -> Place:
    if sort_by in _FIRST_VALUES:
        return Place(row.id, row.created_at, getattr(row, sort_by))
    return Place(row.id, getattr(row, sort_by))
