"""`transcriptions`: what was said, with the time of each word. See `sql/transcriptions.sql`."""

from __future__ import annotations

from uuid import UUID

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.transcript import Transcript

_SQL = statements.load("transcriptions")


async def put(db: Db, analysis_id: UUID, transcript: Transcript) -> None:
    await db.execute(_SQL.put, analysis_id, transcript)


async def get(db: Db, analysis_id: UUID) -> Transcript | None:
    """As it was put, without its notices: those are warnings of the analysis."""
    return rows.one(await db.fetchrow(_SQL.get, analysis_id), Transcript)


async def exists(db: Db, analysis_id: UUID) -> bool:
    """Whether there is one; `get` reads all of it."""
    return bool(await db.fetchval(_SQL.exists, analysis_id))
