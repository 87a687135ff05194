"""`audit_log`: every change of analyses, files and keys. Triggers write it, nothing alters it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("audit")


class Change(Struct, frozen=True, kw_only=True):
    """One change of one row: the columns that changed, or the whole row of an insert or delete."""

    table_name: str
    record_id: UUID
    action: str
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    performed_by: str
    ip_address: str | None
    created_at: datetime


async def list_record(db: Db, record_id: UUID) -> list[Change]:
    """What happened to one row, first to last."""
    return rows.every(await db.fetch(_SQL.list_record, record_id), Change)
