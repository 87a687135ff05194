"""`sql/lanes.sql`: what holds jobs back."""

from __future__ import annotations

from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("lanes")


async def cool_provider(db: Db, provider: str, pause_seconds: float, reason: str) -> None:
    """Nobody calls this provider for so long. Never shortens a longer pause."""
    await db.execute(_SQL.cool_provider, provider, pause_seconds, reason)


async def cooling_providers(db: Db) -> dict[str, float]:
    """Providers nobody is to call now, and for how many seconds yet; infinity: until an operator resumes them."""
    return {row["name"]: row["seconds"] for row in await db.fetch(_SQL.cooling_providers)}
