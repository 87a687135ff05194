"""A claimed job and how it can end."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct


class Job(Struct, frozen=True):
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
