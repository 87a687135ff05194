"""What holds for every store: the same tests in a directory and in a bucket."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from mediaanalysis.errors import RequestError, ResourceError
from mediaanalysis.storage import layout
from mediaanalysis.storage.storage import PART_BYTES, Storage
from tests.storage.samples import DAY, ID, KEY, chunks

SIZES = [0, 1, 65_537, PART_BYTES, 2 * PART_BYTES + 17]
OTHER = layout.key_of("original", DAY, UUID(int=2), "original.mp4")


async def _whole(storage: Storage, key: str) -> bytes:
    return b"".join([block async for block in storage.read(key)])


@pytest.mark.parametrize("size", SIZES)
async def test_a_stream_comes_back_with_its_size_and_checksum(either: Storage, size: int) -> None:
    stored = await either.put_stream(KEY, chunks(size), max_bytes=size)
    data = b"".join([chunk async for chunk in chunks(size)])
    assert (stored.size_bytes, stored.checksum) == (size, hashlib.sha256(data).hexdigest())
    assert await _whole(either, KEY) == data
    assert await either.size(KEY) == size


async def test_ranges(either: Storage) -> None:
    await either.put_bytes(KEY, b"0123456789")
    assert [block async for block in either.read(KEY, 2, 5)] == [b"234"]
    assert [block async for block in either.read(KEY, 7)] == [b"789"]
    assert [block async for block in either.read(KEY, 0, 1)] == [b"0"]


async def test_a_missing_key(either: Storage) -> None:
    assert await either.size(KEY) is None
    with pytest.raises(FileNotFoundError):
        await either.get(KEY)
    with pytest.raises(FileNotFoundError):
        await either.copy(KEY, OTHER)
    await either.delete([KEY])


async def test_too_large_a_stream_leaves_nothing(either: Storage) -> None:
    with pytest.raises(RequestError) as caught:
        await either.put_stream(KEY, chunks(2 * PART_BYTES), max_bytes=2 * PART_BYTES - 1)
    assert caught.value.code == "body_too_large"
    assert await either.size(KEY) is None


async def test_a_failing_stream_leaves_nothing_and_its_error_comes_through(either: Storage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for chunk in chunks(2 * PART_BYTES):
            yield chunk
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await either.put_stream(KEY, broken(), max_bytes=10**9)
    assert await either.size(KEY) is None


async def test_a_cancelled_stream_leaves_nothing(either: Storage) -> None:
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        async for chunk in chunks(PART_BYTES + 65_536):
            yield chunk
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(either.put_stream(KEY, endless(), max_bytes=10**9))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await either.size(KEY) is None


async def test_a_failed_overwrite_keeps_the_old_file(either: Storage) -> None:
    await either.put_bytes(KEY, b"old")
    with pytest.raises(RequestError):
        await either.put_stream(KEY, chunks(PART_BYTES + 1), max_bytes=1)
    assert await either.get(KEY) == b"old"


async def test_copies_live_on_their_own(either: Storage) -> None:
    await either.put_bytes(KEY, b"media")
    await either.copy(KEY, OTHER)
    await either.delete([KEY])
    assert await either.get(OTHER) == b"media"


async def test_delete_takes_missing_keys_among_others(either: Storage) -> None:
    await either.put_bytes(KEY, b"x")
    await either.delete([OTHER, KEY])
    assert await either.size(KEY) is None


async def test_files_from_disk(either: Storage, tmp_path: Path) -> None:
    made = tmp_path / "frame.jpg"
    made.write_bytes(b"picture" * 1000)
    stored = await either.put_file(KEY, made)
    assert (stored.size_bytes, await either.get(KEY)) == (7000, b"picture" * 1000)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nothing"])
async def test_only_plain_files_are_published(either: Storage, tmp_path: Path, kind: str) -> None:
    secret, path = tmp_path / "secret", tmp_path / "frame.jpg"
    secret.write_text("canary")
    {
        "link": lambda: path.symlink_to(secret),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "nothing": lambda: None,
    }[kind]()
    with pytest.raises(ResourceError):
        await either.put_file(KEY, path)
    assert await either.size(KEY) is None


async def test_fetch_gives_a_local_file(either: Storage) -> None:
    await either.put_stream(KEY, chunks(3_000_000), max_bytes=10**9)
    async with either.workspace(ID) as folder:
        path = await either.fetch(KEY, folder / "input")
        assert path == folder / "input"
        assert path.stat().st_size == 3_000_000
        await either.delete([KEY])
        assert path.stat().st_size == 3_000_000
        with pytest.raises(FileNotFoundError):
            await either.fetch(KEY, folder / "again")
        assert not (folder / "again").exists()
    assert not folder.exists()


async def test_list_and_orphans(either: Storage) -> None:
    await either.put_bytes(KEY, b"1")
    await either.put_bytes(OTHER, b"22")
    await either.put_bytes(layout.key_of("output", DAY, ID, "result.json"), b"333")
    assert {(entry.key, entry.size_bytes) async for entry in either.list("uploads")} == {(KEY, 1), (OTHER, 2)}

    async def known(keys: Sequence[str]) -> Collection[str]:
        return [key for key in keys if key != OTHER]

    assert [entry async for entry in either.orphans(known)] == []  # too young
    assert [entry.key async for entry in either.orphans(known, older_than_seconds=-60)] == [OTHER]


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "uploads/x", ""])
async def test_what_is_no_key_is_refused(either: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        await either.put_bytes(key, b"")
    with pytest.raises(ValueError, match="not a storage key"):
        await either.get(key)
    with pytest.raises(ValueError, match="not a storage key"):
        await either.copy(KEY, key)


async def test_it_is_ready(either: Storage) -> None:
    await either.check()
