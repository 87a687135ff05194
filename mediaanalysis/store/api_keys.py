"""`api_keys`: who may ask. Keys are known by their SHA-256 only. See `sql/api_keys.sql`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.analyses import SERVICE, Author
from mediaanalysis.store.pool import Db

_SQL = statements.load("api_keys")


class Grants(Struct, frozen=True):
    """What a key allows. Limits of None are the service's own, of 0 none; `expires_at` None: never."""

    scopes: tuple[str, ...] = ("read", "write")
    submits_per_minute: int | None = None
    polls_per_minute: int | None = None
    upload_bytes_per_minute: int | None = None
    max_active: int | None = None
    expires_at: datetime | None = None


class ApiKey(Grants, frozen=True, kw_only=True):
    id: UUID
    name: str
    owner_id: UUID
    key_hash: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKey(Struct, frozen=True, kw_only=True):
    """`key_hash` is the SHA-256 (hexadecimal) of the key's text, `prefix` its first characters."""

    name: str
    owner_id: UUID
    key_hash: str
    prefix: str
    grants: Grants = Grants()


async def add(db: Db, new: NewKey, author: Author = SERVICE) -> UUID:
    """Its id."""
    key_id: UUID = await db.fetchval(_SQL.add, new, new.grants, author.actor, author.address)
    return key_id


async def list_valid(db: Db) -> list[ApiKey]:
    """Neither revoked nor expired."""
    return rows.every(await db.fetch(_SQL.list_valid), ApiKey)


async def any_exist(db: Db) -> bool:
    """Whether a key was ever made, valid or not."""
    return bool(await db.fetchval(_SQL.any_exist))


async def list_all(db: Db) -> list[ApiKey]:
    """Latest first."""
    return rows.every(await db.fetch(_SQL.list_all), ApiKey)


async def revoke(db: Db, key_id: UUID, grace_seconds: float = 0, author: Author = SERVICE) -> datetime | None:
    """Refuse the key from now on or, with a grace, let it expire then, if not before. When it ends; None: there is no
    such key, or it is no longer valid."""
    ends_at: datetime | None = await db.fetchval(_SQL.revoke, key_id, grace_seconds, author.actor, author.address)
    return ends_at


async def note_used(db: Db, key_ids: Collection[UUID]) -> None:
    """These keys were used by now."""
    await db.execute(_SQL.note_used, list(key_ids))
