"""`contact_sheets`: the frames of an analysis in one picture. See `sql/contact_sheets.sql`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.media import ContactSheet

_SQL = statements.load("contact_sheets")


class ContactSheetRow(Struct, frozen=True, kw_only=True):
    """`metadata` holds `tiles`: place and time of each frame."""

    request_id: UUID
    file_id: UUID
    storage_path: str
    frames_count: int
    grid_layout: str
    resolution: str
    file_size_bytes: int
    checksum: str
    metadata: dict[str, Any]
    created_at: datetime


async def put(db: Db, analysis_id: UUID, sheet: ContactSheet) -> None:
    """The sheet of an analysis; its file must have been added before."""
    await db.execute(_SQL.put, analysis_id, sheet)


async def get(db: Db, analysis_id: UUID) -> ContactSheetRow | None:
    return rows.one(await db.fetchrow(_SQL.get, analysis_id), ContactSheetRow)
