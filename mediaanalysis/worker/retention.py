"""Retention: files past their time leave storage, then their rows say so; files that no row knows leave, too.

Bytes first, row second: after a crash in between the next sweep finds the row again, and removing what is gone is no
fault. Safe to run twice at once: the second finds nothing, or the same, to remove.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from mediaanalysis import log
from mediaanalysis.services import Services
from mediaanalysis.store import files

BATCH_FILES = 500

_log = log.get("sweep")


class Swept(Struct, frozen=True):
    """How much went, or with a dry run would go."""

    expired: int
    expired_bytes: int
    orphans: int
    orphan_bytes: int


async def sweep_files(services: Services, *, dry_run: bool = False) -> Swept:
    """Remove expired files and orphans. Raises StoreError or ResourceError where database or storage is away."""
    expired, expired_bytes = await _sweep_expired(services, dry_run=dry_run)
    orphans, orphan_bytes = await _sweep_orphans(services, dry_run=dry_run)
    if not dry_run:
        await services.storage.clean()
    swept = Swept(expired, expired_bytes, orphans, orphan_bytes)
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
        count += 1
        size_bytes += entry.size_bytes
        if not dry_run:
            await services.storage.delete([entry.key])
    return count, size_bytes
