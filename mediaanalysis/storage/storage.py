"""Files at rest, in a local directory or in an object store: the same calls, the same guarantees.

Every write appears whole under its key or not at all, however it ends, and its memory stays flat: `PART_BYTES` times
`PARTS_AT_ONCE` for a file of any size. Keys come from `layout`; anything else is a ValueError.
A missing key is a FileNotFoundError; other faults are ResourceErrors `storage_unavailable` and `disk_full`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import obstore
from msgspec import Struct

from mediaanalysis.errors import ResourceError
from mediaanalysis.storage import cleanup, disk, faults, folders, layout, streams
from mediaanalysis.storage.place import Place, find

PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 4
ROOM_CHECK_BYTES = 64 * 1024 * 1024
"""How much is written before the disk is looked at again."""
BATCH_KEYS = 1000
ORPHAN_SECONDS = 3600
"""A file is stored before its row is committed: only older ones can be orphans."""

Known = Callable[[Sequence[str]], Awaitable[Collection[str]]]


class Stored(Struct, frozen=True):
    """`checksum` is SHA-256 in hexadecimal digits."""

    key: str
    size_bytes: int
    checksum: str


class Entry(Struct, frozen=True):
    key: str
    size_bytes: int
    modified_at: datetime


class Storage:
    def __init__(self, place: Place) -> None:
        self._store = place.store
        self._root = place.root
        self._work_root = place.work_root
        self._about = place.about
        self._watch = disk.Watch()

    @classmethod
    def open(cls, url: str | None, data_dir: Path) -> Storage:
        """Raises ConfigurationError where the URL or its directory cannot be used."""
        return cls(find(url, data_dir))

    def describe(self) -> str:
        """For operators: where files lie. Holds no secret."""
        return self._about

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes], *, max_bytes: int) -> Stored:
        """Store a stream from outside. Raises RequestError `body_too_large`, ResourceError `disk_full` before the
        disk is full; whatever the stream itself raises goes through. In each case nothing stays behind."""
        return await self._put(key, self._while_room(streams.regroup(chunks)), max_bytes)

    async def put_file(self, key: str, path: Path) -> Stored:
        """Store a file of this machine that a stage made. Raises ResourceError for a link, pipe or device."""
        with await asyncio.to_thread(folders.open_plain, path) as file:
            return await self._put(key, streams.blocks_of(file))

    async def put_bytes(self, key: str, data: bytes) -> Stored:
        return await self._put(key, streams.once(data))

    async def copy(self, source: str, destination: str) -> None:
        """A copy with a life of its own; on local disk a hard link, since stored files never change."""
        await self._prepare(destination)
        if path := self.local_path(source):  # the link has its time, and must not look old before its row is there
            await asyncio.to_thread(os.utime, path)
        with faults.reading():
            await obstore.copy_async(self._store, self._plain(source), layout.check(destination))

    async def delete(self, keys: Sequence[str]) -> None:
        """Missing keys are fine."""
        for start in range(0, len(keys), BATCH_KEYS):
            batch = [layout.check(key) for key in keys[start : start + BATCH_KEYS]]
            with faults.reading():
                await self._delete(batch)

    async def get(self, key: str) -> bytes:
        """The whole of a small file."""
        return b"".join([block async for block in self.read(key)])

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, as they come. A range must hold at least one byte."""
        with faults.reading():
            result = await obstore.get_async(self._store, self._plain(key), options=_range(start, end))
            async for chunk in result.stream(min_chunk_size=streams.BLOCK_BYTES):
                yield bytes(chunk)

    async def size(self, key: str) -> int | None:
        """In bytes; None where there is no such file."""
        with faults.reading(), suppress(FileNotFoundError):
            return int((await obstore.head_async(self._store, self._plain(key)))["size"])
        return None

    def local_path(self, key: str) -> Path | None:
        """Where the file lies on local disk; None where the store is remote. The file need not exist."""
        return None if self._root is None else self._root / layout.check(key)

    async def fetch(self, key: str, into: Path) -> Path:
        """A local path to the file: `into`, as a hard link, or a copy where no link can be made, or a
        download. Read it only. It outlives the file's expiry, so a running stage never loses it."""
        self._plain(key)
        if path := self.local_path(key):
            return await asyncio.to_thread(folders.link, path, into)
        await streams.write_new(into, self.read(key))
        return into

    async def list(self, prefix: str) -> AsyncIterator[Entry]:
        """Stored files under a folder of the layout, in no order."""
        async for batch in self._batches(prefix):
            for entry in batch:
                yield entry

    async def check(self) -> None:
        """For readiness: it answers, and every folder that is there can be written. Raises ResourceError
        `storage_unavailable`."""
        await self.size(layout.key_of("output", date.min, UUID(int=0), "result.json"))
        if not all(map(folders.is_writable, (self._work_root, *(self._work_root / name for name in layout.FOLDERS)))):
            raise ResourceError("The file storage cannot be written.", code="storage_unavailable")

    @asynccontextmanager
    async def workspace(self, analysis_id: UUID) -> AsyncIterator[Path]:
        """An empty folder on local disk for one attempt, gone afterwards with all that is in it."""
        making = asyncio.ensure_future(asyncio.to_thread(folders.make_work, self._work_root, analysis_id))
        try:
            with faults.writing():
                folder = await asyncio.shield(making)
            yield folder
        finally:
            await asyncio.shield(_unmake(making))

    @property
    def work_folder(self) -> Path:
        """Where the work folders of running attempts lie."""
        return self._work_root / layout.WORK_FOLDER

    def disk_usage(self) -> disk.DiskUsage:
        """Of the disk with the work folders, and with the files where they are local."""
        found = disk.usage(self._work_root)
        self._watch.see(found)
        return found

    def check_room(self, size_bytes: int = 0) -> None:
        """Raises ResourceError `disk_full` where so many more bytes would leave the disk critically full."""
        if self.disk_usage().state_with(size_bytes) is disk.DiskState.CRITICAL:
            raise faults.disk_full()

    async def clean(self) -> cleanup.Cleaned | None:
        """Remove what crashes left on local disk; None where another process is doing so."""
        return await asyncio.to_thread(cleanup.clean, self._work_root, time.time())

    async def orphans(self, known: Known, *, older_than_seconds: float = ORPHAN_SECONDS) -> AsyncIterator[Entry]:
        """Files that no row speaks of. `known` is given keys and answers with those that have one."""
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        for folder in layout.FOLDERS:
            async for batch in self._batches(folder):
                old = [entry for entry in batch if entry.modified_at < before]
                rows = set(await known([entry.key for entry in old]))
                for entry in old:
                    if entry.key not in rows:
                        yield entry

    async def _put(self, key: str, blocks: AsyncIterable[bytes], max_bytes: int | None = None) -> Stored:
        """Hashing and writing overlap. The writer aborts when it is left by an exception, and is closed but once."""
        await self._prepare(layout.check(key))
        tally = streams.Tally(max_bytes)
        writer = obstore.open_writer_async(self._store, key, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        try:
            async for block in blocks:
                with faults.writing():
                    await asyncio.gather(tally.add(block), writer.write(block))
        except BaseException as error:
            await asyncio.shield(writer.__aexit__(type(error), error, error.__traceback__))
            raise
        with faults.writing():
            await writer.close()
        return Stored(key, tally.size_bytes, tally.checksum)

    async def _while_room(self, blocks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        left = 0
        async for block in blocks:
            if left <= 0:
                self.check_room(ROOM_CHECK_BYTES)
                left = ROOM_CHECK_BYTES
            yield block
            left -= len(block)

    async def _prepare(self, key: str) -> None:
        if path := self.local_path(key):
            with faults.writing():
                await asyncio.to_thread(folders.make, path.parent)

    async def _delete(self, keys: Sequence[str]) -> None:
        """Some stores refuse a whole batch for one missing key: those go one by one."""
        try:
            await obstore.delete_async(self._store, keys)
        except FileNotFoundError:
            for key in keys:
                with suppress(FileNotFoundError):
                    await obstore.delete_async(self._store, key)

    async def _batches(self, prefix: str) -> AsyncIterator[Sequence[Entry]]:
        with faults.reading():
            async for found in obstore.list(self._store, prefix, chunk_size=BATCH_KEYS):
                yield [Entry(o["path"], o["size"], o["last_modified"]) for o in found if layout.is_key(o["path"])]

    def _plain(self, key: str) -> str:
        """The key, where no link stands on its path: nothing of ours makes one."""
        path = self.local_path(key)
        if path is not None and path.resolve() != path:
            raise FileNotFoundError(key)
        return layout.check(key)


def _range(start: int, end: int | None) -> obstore.GetOptions:
    """No range at all for the whole file: an empty one has no first byte to ask for."""
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else {}


async def _unmake(making: asyncio.Future[Path]) -> None:
    """A thread that makes a folder is not stopped by the cancel of whoever waits for it: remove it once it is there."""
    with suppress(OSError):
        await asyncio.to_thread(folders.remove_work, await making)
