"""Who asks: the principal behind a request, what it may do and how often."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)
"""read: statuses, results, files, history. write: submit, retry, cancel, delete. admin: what the operator looks at."""

LOCAL_OWNER = UUID(int=0)
"""Owner of everything while the service runs without API keys."""


class Limits(Struct, frozen=True):
    """What an owner may ask, over all processes; 0: as much as it likes."""

    submits_per_minute: int = 0
    polls_per_minute: int = 0
    upload_bytes_per_minute: int = 0
    max_active: int = 0


UNLIMITED = Limits()


class Principal(Struct, frozen=True):
    """`owner` is whose analyses these are, `name` what the audit log says, `key_id` None without a key."""

    owner: UUID
    name: str
    scopes: frozenset[str]
    key_id: UUID | None = None
    limits: Limits = UNLIMITED


LOCAL = Principal(LOCAL_OWNER, "local", frozenset(SCOPES))
"""Whoever reaches the service while it has no keys: it listens to this machine alone."""
