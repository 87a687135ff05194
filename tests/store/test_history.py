"""History: every order, by page and by cursor, against the same order made in Python; totals; plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from mediaanalysis.store import history, statements
from mediaanalysis.store.history import HistoryRow, Query, SortBy
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.requests import AnalysisStatus, MediaType
from tests.store.cases import OWNER

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

FILL = """
    insert into media_analysis_requests (
        owner_id, prompt, prompt_hash, media_type, status, priority, progress, error_code, created_at, updated_at,
        completed_at, deleted_at)
    select $1, 'p', repeat('ab', 32), (enum_range(null::media_type_enum))[1 + n % 5],
           status, n % 11, case status when 'completed' then 100 else 0 end, case status when 'failed' then 'x' end,
           $2::timestamptz + interval '1 hour' * (n / 2), $2 + interval '1 hour' * (n * 7 % 100),
           case when status in ('completed', 'failed') then $2 + interval '1 hour' * (n * 3 % 50) end,
           case status when 'deleted' then $2::timestamptz end
    from generate_series(1, $3::integer) n,
         lateral (select (enum_range(null::media_analysis_status))[1 + n * 7 / 5 % 6] as status) s
"""

EARLIEST = datetime.min.replace(tzinfo=UTC)
STATUSES, MEDIA_TYPES = list(AnalysisStatus), list(MediaType)
KEYS: dict[SortBy, Any] = {
    SortBy.CREATED_AT: lambda row: (row.created_at, row.id),
    SortBy.COMPLETED_AT: lambda row: (row.completed_at or EARLIEST, row.id),
    SortBy.UPDATED_AT: lambda row: (row.updated_at, row.id),
    SortBy.STATUS: lambda row: (STATUSES.index(row.status), row.created_at, row.id),
    SortBy.MEDIA_TYPE: lambda row: (MEDIA_TYPES.index(row.media_type), row.created_at, row.id),
    SortBy.PRIORITY: lambda row: (row.priority, row.created_at, row.id),
}


async def everything(db: Pool, count: int = 150) -> list[HistoryRow]:
    """Rows of this owner and another, many alike in what they are sorted by."""
    await db.execute(FILL, OWNER, BEGIN, count)
    await db.execute(FILL, uuid4(), BEGIN, count)
    page = await history.read_page(db, Query(owner_id=OWNER, per_page=10 * count))
    assert page.last is None
    return page.rows


async def by_cursor(db: Pool, query: Query) -> list[UUID]:
    ids: list[UUID] = []
    page = await history.read_page(db, query)
    while page.last is not None:
        ids += [row.id for row in page.rows]
        page = await history.read_page(db, msgspec.structs.replace(query, after=page.last))
    return ids + [row.id for row in page.rows]


async def by_number(db: Pool, query: Query) -> list[UUID]:
    ids: list[UUID] = []
    number = 1
    while rows := (await history.read_page(db, msgspec.structs.replace(query, page=number))).rows:
        ids += [row.id for row in rows]
        number += 1
    return ids


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort_by", SortBy)
async def test_order_is_total_by_page_and_by_cursor(db: Pool, sort_by: SortBy, descending: bool) -> None:
    rows = await everything(db)
    assert len(rows) == 125
    expected = [row.id for row in sorted(rows, key=KEYS[sort_by], reverse=descending)]
    query = Query(owner_id=OWNER, sort_by=sort_by, descending=descending, per_page=17)
    assert await by_cursor(db, query) == expected
    assert await by_number(db, query) == expected


@pytest.mark.parametrize("sort_by", SortBy)
async def test_filters_and_their_total(db: Pool, sort_by: SortBy) -> None:
    rows = await everything(db)
    query = Query(
        owner_id=OWNER,
        statuses=(AnalysisStatus.COMPLETED, AnalysisStatus.FAILED),
        media_types=(MediaType.AUDIO, MediaType.VIDEO),
        date_from=BEGIN + timedelta(hours=10),
        date_to=BEGIN + timedelta(hours=60),
        sort_by=sort_by,
        per_page=4,
    )
    expected = {
        row.id
        for row in rows
        if row.status in query.statuses
        and row.media_type in query.media_types
        and timedelta(hours=10) <= row.created_at - BEGIN < timedelta(hours=60)
    }
    assert len(expected) > 8
    found = await by_cursor(db, query)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert await history.read_total(db, query) == history.Total(len(expected), is_exact=True)


async def test_deleted_is_hidden_unless_asked_for_and_owners_are_apart(db: Pool) -> None:
    rows = await everything(db)
    assert AnalysisStatus.DELETED not in {row.status for row in rows}
    assert (await history.read_page(db, Query(owner_id=uuid4()))).rows == []
    assert await history.read_total(db, Query(owner_id=uuid4())) == history.Total(0, is_exact=True)


async def test_large_total_is_an_estimate_and_says_so(
    db: Pool, operator: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = await everything(db, 3000)
    await operator.execute("analyze media_analysis_requests")
    assert await history.read_total(db, Query(owner_id=OWNER)) == history.Total(len(rows), is_exact=True)
    monkeypatch.setattr(history, "EXACT_TOTAL_MAX", 100)
    for query in (Query(owner_id=OWNER), Query(owner_id=OWNER, statuses=(AnalysisStatus.FAILED,))):
        total = await history.read_total(db, query)
        true = [row for row in rows if row.status in (query.statuses or STATUSES)]
        assert not total.is_exact
        assert total.count == pytest.approx(len(true), rel=0.3)


async def test_page_reads_no_more_than_the_heads_of_its_indexes(db: Pool, operator: Pool) -> None:
    """Under a generic plan too, which knows neither filter nor cursor: every order is served by its index."""
    await everything(db, 3000)
    await operator.execute("analyze media_analysis_requests")
    question = history._question(Query(owner_id=OWNER)) | {"skip": 0, "count": 21}
    async with db.transaction() as connection:
        await connection.execute("set local plan_cache_mode = force_generic_plan")
        for block in statements.load("history").blocks.values():
            if block.name.startswith("page_"):
                plan = await connection.fetchval(f"explain (analyze, format json) {block.sql}", OWNER, question)
                [scan] = _scans(msgspec.json.decode(plan)[0]["Plan"])
                assert scan["Node Type"] in ("Index Scan", "Index Only Scan"), block.name
                assert scan["Actual Rows"] <= 21, block.name
                assert scan.get("Rows Removed by Filter", 0) == 0, block.name


def _scans(node: dict[str, Any]) -> Any:
    if node.get("Relation Name") == "media_analysis_requests":
        yield node
    for child in node.get("Plans", ()):
        yield from _scans(child)
