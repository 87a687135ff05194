"""Callers with keys, as `mediaanalysis keys create` would make them."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any
from uuid import UUID, uuid4

import httpx
from msgspec import Struct
from starlette.types import ASGIApp

from mediaanalysis.store import api_keys
from mediaanalysis.store.api_keys import Grants, NewKey
from mediaanalysis.store.pool import Db


class Key(Struct, frozen=True):
    id: UUID
    owner: UUID
    text: str


async def make_key(db: Db, name: str = "alice", owner: UUID | None = None, **grants: Any) -> Key:
    """A key of a new owner, or of the given one."""
    text, owner = "ma_" + secrets.token_urlsafe(32), owner or uuid4()
    digest = hashlib.sha256(text.encode()).hexdigest()
    new = NewKey(name=name, owner_id=owner, key_hash=digest, prefix=text[:10], grants=Grants(**grants))
    return Key(await api_keys.add(db, new), owner, text)


def caller(app: ASGIApp, key: Key | None) -> httpx.AsyncClient:
    """A client that sends the key, or none."""
    headers = {"authorization": f"Bearer {key.text}"} if key else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers)
