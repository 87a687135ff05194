"""Looking at the whole: the database, the queue, the pace of work. See `sql/operations.sql`."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.requests import MediaType

_SQL = statements.load("operations")


class QueueDepth(Struct, frozen=True):
    """Live jobs of a kind in a state, and how long the oldest of them that is due has waited or run."""

    kind: str
    state: str
    jobs: int
    oldest_seconds: float


class Role(Struct, frozen=True):
    """Who we are to the database. `alters_audit`: we own the audit log, or may write in it."""

    name: str
    alters_audit: bool


async def ping(db: Db) -> bool:
    """Whether the database takes writes. Raises StoreError where it does not answer."""
    return bool(await db.fetchval(_SQL.ping))


async def server_version(db: Db) -> int:
    """As a number: 180004 is 18.4."""
    return int(await db.fetchval(_SQL.read_server_version))


async def role(db: Db) -> Role | None:
    """None before the database is migrated."""
    return rows.one(await db.fetchrow(_SQL.read_role), Role)


async def queue_depth(db: Db) -> list[QueueDepth]:
    return rows.every(await db.fetch(_SQL.read_queue), QueueDepth)


async def pace_seconds(db: Db, owner_id: UUID) -> dict[MediaType, float]:
    """Median duration of the owner's latest 20 analyses of each media type; missing where there are none."""
    records = await db.fetch(_SQL.read_pace, owner_id)
    return {MediaType(record["media_type"]): record["latency_ms"] / 1000 for record in records}
