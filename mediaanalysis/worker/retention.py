"""Retention: files past their time leave storage, then their rows say so. Rows and bytes agree after each sweep: bytes
that no row knows leave, and rows whose bytes are gone say so.

Bytes first, row second: after a crash in between the next sweep finds the row again, and removing what is gone is no
fault. Safe to run twice at once: the second finds nothing, or the same, to remove.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from msgspec import Struct

from mediaanalysis import log
from mediaanalysis.services import Services
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import files

BATCH_FILES = 500
LOST_MAX, LOST_SHARE = 100, 0.1
"""More files than both do not vanish one by one: the storage is not mounted, or another one."""

_log = log.get("sweep")


class Swept(Struct, frozen=True):
    """How much went, or with a dry run would go. `lost`: rows whose bytes were gone."""

    expired: int
    expired_bytes: int
    orphans: int
    orphan_bytes: int
    lost: int


async def sweep_files(services: Services, *, dry_run: bool = False) -> Swept:
    """Remove expired files and orphans, and the mention of lost ones. Raises StoreError or ResourceError where database
    or storage is away."""
    expired, expired_bytes = await _sweep_expired(services, dry_run=dry_run)
    orphans, orphan_bytes = await _sweep_orphans(services, dry_run=dry_run)
    lost = await _sweep_lost(services, dry_run=dry_run)
    if not dry_run:
        await services.storage.clean()
    swept = Swept(expired, expired_bytes, orphans, orphan_bytes, lost)
    _log.info("files_swept", dry_run=dry_run, **{name: getattr(swept, name) for name in swept.__struct_fields__})
    return swept


async def _sweep_expired(services: Services, *, dry_run: bool) -> tuple[int, int]:
    db, count, size_bytes = services.database.pool, 0, 0
    while rows := await files.list_expired(db, 10**6 if dry_run else BATCH_FILES):
        count += len(rows)
        size_bytes += sum(row.size_bytes for row in rows)
        if dry_run:
            break
        await services.storage.delete([row.storage_path for row in rows])
        await files.mark_deleted(db, [row.id for row in rows])
    return count, size_bytes


async def _sweep_orphans(services: Services, *, dry_run: bool) -> tuple[int, int]:
    async def known(keys: Sequence[str]) -> Collection[str]:
        return await files.list_known_keys(services.database.pool, keys)

    count, size_bytes = 0, 0
    async for entry in services.storage.orphans(known):
        if await known([entry.key]):  # a retry has made it again since the list was read
            continue
        count += 1
        size_bytes += entry.size_bytes
        if not dry_run:
            await services.storage.delete([entry.key])
    return count, size_bytes


async def _sweep_lost(services: Services, *, dry_run: bool) -> int:
    """How many rows told of bytes that are not there."""
    lost, looked_at = await _find_lost(services)
    if len(lost) > max(LOST_MAX, LOST_SHARE * looked_at):
        _log.error("files_missing", missing=len(lost), looked_at=looked_at, storage=services.storage.describe())
        return 0
    return len(lost) if dry_run or not lost else await files.mark_deleted(services.database.pool, lost)


async def _find_lost(services: Services) -> tuple[list[UUID], int]:
    """Files with a row and without bytes, and how many rows there are."""
    storage, listed, lost, looked_at, after = services.storage, Listed(services.storage), [], 0, ""
    while rows := await files.list_stored(services.database.pool, after, BATCH_FILES):
        looked_at, after = looked_at + len(rows), rows[-1][1]
        for file_id, key in rows:
            if not await listed.has(key) and await storage.size(key) is None:  # stored again since it was listed
                lost.append(file_id)
    return lost, looked_at


class Listed:
    """What is in storage, asked for in the order of the keys: a listing for each day's folder, not a look at each."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._folder = ""
        self._keys: set[str] = set()

    async def has(self, key: str) -> bool:
        folder = "/".join(key.split("/")[:2])
        if folder != self._folder:
            self._folder, self._keys = folder, {entry.key async for entry in self._storage.list(folder)}
        return key in self._keys
