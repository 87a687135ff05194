"""`media_files`: what an analysis has in storage. See `sql/files.sql`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("files")


class NewFile(Struct, frozen=True, kw_only=True):
    """A file in storage, under the key `storage_path`. `retention_days` None: kept as long as its analysis."""

    kind: str
    filename: str
    storage_path: str
    size_bytes: int
    checksum: str
    mime_type: str
    retention_days: int | None
    original_path: str | None = None
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    at_seconds: float | None = None

    @classmethod
    def copied(cls, row: FileRow, storage_path: str) -> NewFile:
        """The same file under another key, for another analysis."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**(values | {"storage_path": storage_path}))


class FileRow(NewFile, frozen=True, kw_only=True):
    """A file as it is known. `deleted_at` says that it is no longer in storage."""

    id: UUID
    request_id: UUID
    uploaded_at: datetime
    expires_at: datetime | None
    deleted_at: datetime | None


async def add(db: Db, analysis_id: UUID, files: Sequence[NewFile]) -> None:
    """Rows for files of one analysis; a name that is there already is replaced."""
    if files:
        await db.execute(_SQL.add, analysis_id, files)


async def list_all(db: Db, analysis_id: UUID) -> list[FileRow]:
    """Removed ones too, in the order of their names."""
    return rows.every(await db.fetch(_SQL.list_all, analysis_id), FileRow)


async def list_kind(db: Db, analysis_id: UUID, kind: str) -> list[FileRow]:
    """Removed ones too, in the order of their names."""
    return rows.every(await db.fetch(_SQL.list_kind, analysis_id, kind), FileRow)


async def find(db: Db, analysis_id: UUID, filename: str) -> FileRow | None:
    """The file of that name, perhaps a removed one."""
    return rows.one(await db.fetchrow(_SQL.find, analysis_id, filename), FileRow)


async def find_original(db: Db, analysis_id: UUID) -> FileRow | None:
    """The media itself, if it is still in storage."""
    return rows.one(await db.fetchrow(_SQL.find_original, analysis_id), FileRow)


async def list_expired(db: Db, count: int) -> list[FileRow]:
    """Up to `count` files past their time, oldest first."""
    return rows.every(await db.fetch(_SQL.list_expired, count), FileRow)


async def list_stored(db: Db, after: str, count: int) -> list[tuple[UUID, str]]:
    """Id and key of up to `count` files that should be in storage, in the order of their keys, from `after` on; but
    for those of the last hour."""
    return [(record["id"], record["storage_path"]) for record in await db.fetch(_SQL.list_stored, after, count)]


async def mark_deleted(db: Db, file_ids: Sequence[UUID]) -> int:
    """These files were removed from storage. How many were not known to be."""
    return int(await db.fetchval(_SQL.mark_deleted, file_ids))


async def list_known_keys(db: Db, keys: Sequence[str]) -> set[str]:
    """Which of these keys of the storage belong to a file."""
    return {record["storage_path"] for record in await db.fetch(_SQL.list_known_keys, keys)}
