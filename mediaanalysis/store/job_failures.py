"""`sql/job_failures.sql`: the dead letters."""

from __future__ import annotations

from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("job_failures")


async def remove_old(db: Db, keep_days: int) -> int:
    """How many failures older than that were forgotten."""
    return int(await db.fetchval(_SQL.remove_old, keep_days))
