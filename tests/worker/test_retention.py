"""Rows and bytes agree after a sweep, whatever happened in between: a crash, another sweep, a hand in the storage."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.services import Services
from mediaanalysis.storage.layout import key_of
from mediaanalysis.storage.storage import Storage
from mediaanalysis.store import files
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.worker import retention
from mediaanalysis.worker.retention import sweep_files
from tests.worker.conftest import new_analysis

OLD = "update media_files set uploaded_at = now() - interval '2 hours'"
EXPIRED = "update media_files set expires_at = now() - interval '1 second' where filename = any($1)"

Keep = Callable[[int], Awaitable[list[str]]]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(None, tmp_path)


@pytest.fixture
def services(database: Database, storage: Storage) -> Services:
    some: Any = SimpleNamespace(database=database, storage=storage)
    return some  # type: ignore[no-any-return]


@pytest.fixture
def keep(db: Pool, storage: Storage) -> Keep:
    """Store so many frames of a new analysis, two hours ago; their keys."""

    async def put(count: int) -> list[str]:
        analysis_id = await new_analysis(db)
        keys = [_key(analysis_id, n) for n in range(count)]
        stored = [await storage.put_bytes(key, b"picture") for key in keys]
        rows = [
            NewFile(
                kind="frame", filename=key.rpartition("/")[2], storage_path=key, size_bytes=each.size_bytes,
                checksum=each.checksum, mime_type="image/jpeg", retention_days=30, at_seconds=0,
            )
            for key, each in zip(keys, stored, strict=True)
        ]  # fmt: skip
        await files.add(db, analysis_id, rows)
        await db.execute(OLD)
        return keys

    return put


def _key(analysis_id: UUID, n: int) -> str:
    return key_of("frame", datetime.now(UTC).date(), analysis_id, f"frame_{n:03}.jpg")


async def known(db: Pool) -> set[str]:
    return {
        row["storage_path"] for row in await db.fetch("select storage_path from media_files where deleted_at is null")
    }


async def there(storage: Storage) -> set[str]:
    return {entry.key async for entry in storage.list("frames")}


async def test_two_sweeps_at_once_remove_each_file_once(services: Services, keep: Keep, db: Pool) -> None:
    keys = await keep(20)
    gone = [key.rpartition("/")[2] for key in keys[:15]]
    await db.execute(EXPIRED, gone)
    os.utime(services.storage.local_path(await _orphan(services.storage)) or "", (0, 0))
    await asyncio.gather(*(sweep_files(services) for _ in range(3)))
    assert await known(db) == await there(services.storage) == set(keys[15:])


async def _orphan(storage: Storage) -> str:
    key = _key(UUID(int=1), 1)
    await storage.put_bytes(key, b"left by a crash")
    return key


async def test_a_crash_between_bytes_and_row_is_mended_by_the_next_sweep(
    services: Services, keep: Keep, db: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await keep(3)
    await db.execute(EXPIRED, [keys[0].rpartition("/")[2]])

    async def crash(*_: object) -> int:
        raise StoreError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(files, "mark_deleted", crash)
        with pytest.raises(StoreError):
            await sweep_files(services)
    assert await there(services.storage) == set(keys[1:])
    assert (await sweep_files(services)).expired == 1
    assert await known(db) == set(keys[1:])


async def test_a_row_whose_bytes_are_gone_says_so(services: Services, keep: Keep, db: Pool) -> None:
    keys = await keep(5)
    await services.storage.delete(keys[:2])
    assert (await sweep_files(services, dry_run=True)).lost == 2
    assert await known(db) == set(keys)
    assert (await sweep_files(services)).lost == 2
    assert await known(db) == set(keys[2:])


async def test_what_was_stored_only_now_is_left_alone(services: Services, keep: Keep, db: Pool) -> None:
    keys = await keep(2)
    await db.execute("update media_files set uploaded_at = now()")
    await services.storage.delete(keys)
    assert (await sweep_files(services)).lost == 0


async def test_a_storage_that_is_not_mounted_costs_no_row(
    services: Services, keep: Keep, db: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LOST_MAX", 3)
    keys = await keep(10)
    await services.storage.delete(keys[:4])
    assert (await sweep_files(services)).lost == 0
    assert await known(db) == set(keys)


async def test_an_orphan_that_a_retry_made_again_stays(
    services: Services, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row was written after the sweep had asked for the rows."""
    [key] = await keep(1)
    path = services.storage.local_path(key)
    assert path is not None
    os.utime(path, (0, 0))
    answers = iter([set[str](), {key}])

    async def late(_db: object, _keys: object) -> set[str]:
        return next(answers)

    monkeypatch.setattr(files, "list_known_keys", late)
    assert (await sweep_files(services)).orphans == 0
    assert path.exists()
