"""A claimed job and how its attempt can end."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct


class Job(Struct, frozen=True, gc=False):
    """One claimed row of `processing_jobs`. `(id, fence)` is the right to write: every write carries both."""

    id: int
    fence: int
    kind: str
    attempt: int
    max_attempts: int
    crashes: int
    owner_id: UUID
    request_id: UUID | None
    deadline_at: datetime
    payload: dict[str, Any]


class NewJob(Struct, frozen=True):
    """A job to enqueue. `timeout_seconds` is its longest silence."""

    kind: str
    owner_id: UUID = UUID(int=0)
    request_id: UUID | None = None
    priority: int = 5
    delay_seconds: float = 0.0
    timeout_seconds: int = 3600
    payload: dict[str, Any] = {}


class Ending(Struct, frozen=True):
    """How an attempt ended, other than by plain success. `verb` is one of

    fail (given up: dead letter) · cancel (as asked) · retry (again after `delay_seconds`) · defer (as retry, the
    attempt returned) · release (back to its place, the attempt returned) · crash (as release, and counted: its worker
    was lost).
    """

    id: int
    fence: int
    verb: str
    delay_seconds: float = 0.0
    code: str | None = None
    message: str | None = None
    stage: str | None = None
