"""`idempotency_keys`: requests that carried an Idempotency-Key; `analyses.accept` writes them."""

from __future__ import annotations

from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("idempotency")


async def remove_expired(db: Db, count: int) -> int:
    """Forget up to `count` keys past their time. How many were."""
    return int(await db.fetchval(_SQL.remove_expired, count))
