"""`api_keys`: who may ask. Keys are known by their SHA-256 only. See `sql/api_keys.sql`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("api_keys")


class Grants(Struct, frozen=True):
    """What a key allows. None: the service's own limit; no expiry."""

    scopes: tuple[str, ...] = ("read", "write")
    requests_per_minute: int | None = None
    analyses_per_day: int | None = None
    expires_at: datetime | None = None


class ApiKey(Grants, frozen=True, kw_only=True):
    id: UUID
    name: str
    owner_id: UUID
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


async def add(db: Db, name: str, owner_id: UUID, key_hash: str, prefix: str, grants: Grants) -> UUID:
    """A new key, by the SHA-256 (hexadecimal) of its text. Its id."""
    key_id: UUID = await db.fetchval(_SQL.add, name, owner_id, key_hash, prefix, grants)
    return key_id


async def find_valid(db: Db, key_hash: str) -> ApiKey | None:
    """None where the key is unknown, revoked or expired."""
    return rows.one(await db.fetchrow(_SQL.find_valid, key_hash), ApiKey)


async def list_all(db: Db) -> list[ApiKey]:
    return rows.every(await db.fetch(_SQL.list_all), ApiKey)


async def revoke(db: Db, key_id: UUID) -> bool:
    """False where there is no such key, or it was revoked before."""
    return await db.fetchval(_SQL.revoke, key_id) is not None
