"""`link_secrets`: what signs links to files. See `sql/link_secrets.sql`."""

from __future__ import annotations

from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("link_secrets")


async def read(db: Db) -> str:
    """The latest; the first is made by whoever asks first."""
    secret: str | None = await db.fetchval(_SQL.read)
    if secret is None:
        await db.execute(_SQL.make_first)
        secret = await db.fetchval(_SQL.read)
    assert secret is not None
    return secret
