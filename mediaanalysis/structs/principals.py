"""Who asks: the principal behind a request, what it may do and how often."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)
"""read: statuses, results, files, history. write: submit, retry, cancel, delete. admin: what the operator looks at."""

LOCAL_OWNER = UUID(int=0)
"""Owner of everything while the service runs without API keys."""


SUBMIT, POLL, UPLOAD = "submit", "poll", "upload"
"""What is counted: analyses, requests of any kind, bytes."""
RATES = {SUBMIT: "submits_per_minute", POLL: "polls_per_minute", UPLOAD: "upload_bytes_per_minute"}


class Limits(Struct, frozen=True):
    """What may be asked, over all processes; 0: no limit. `max_active`: unfinished analyses of the owner."""

    submits_per_minute: int = 0
    polls_per_minute: int = 0
    upload_bytes_per_minute: int = 0
    max_active: int = 0


UNLIMITED = Limits()


class Principal(Struct, frozen=True):
    """`owner` is whose analyses these are, `name` what the audit log says, `key_id` None without a key. `own`: the
    kinds that the key has a limit of its own for; the others are shared by the owner's keys."""

    owner: UUID
    name: str
    scopes: frozenset[str]
    key_id: UUID | None = None
    limits: Limits = UNLIMITED
    own: frozenset[str] = frozenset()

    def bucket(self, kind: str) -> UUID:
        """Where it is counted: keys whose limits differ never share a bucket."""
        return self.key_id if kind in self.own and self.key_id else self.owner

    def per_minute(self, kind: str) -> int:
        """The limit; 0: none."""
        limit: int = getattr(self.limits, RATES[kind])
        return limit


LOCAL = Principal(LOCAL_OWNER, "local", frozenset(SCOPES))
"""Whoever reaches the service while it has no keys: this machine alone, unless ALLOW_WITHOUT_KEYS lets others in."""
