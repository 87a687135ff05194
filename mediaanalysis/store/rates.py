"""`rate_buckets`: what may still be asked. See `sql/rates.sql`."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("rates")


class Grant(Struct, frozen=True):
    """Tokens taken, tokens left, and seconds until there is enough for the next request (0: now)."""

    granted: int
    remaining: int
    wait_seconds: float


async def take(db: Db, bucket_id: UUID, kind: str, per_minute: int, wanted: int, at_least: int) -> Grant:
    """Up to `wanted` tokens, or none where there are fewer than `at_least`."""
    record = await db.fetchrow(_SQL.take, bucket_id, kind, per_minute, wanted, at_least)
    grant = rows.one(record, Grant)
    assert grant is not None
    return grant
