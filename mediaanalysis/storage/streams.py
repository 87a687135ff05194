"""Streams of bytes in blocks: regrouped, counted, hashed, read from and written to local files without blocking."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import BinaryIO

from mediaanalysis.errors import RequestError

BLOCK_BYTES = 1024 * 1024


class Tally:
    """Counts and hashes what passes. Raises RequestError `body_too_large` beyond `max_bytes`."""

    def __init__(self, max_bytes: int | None = None) -> None:
        self._hash = hashlib.sha256()
        self._max_bytes = max_bytes
        self.size_bytes = 0

    async def add(self, block: bytes) -> None:
        """Hashed in a thread: hashlib lets go of the interpreter lock, so the loop and the disk go on meanwhile."""
        self.size_bytes += len(block)
        if self._max_bytes is not None and self.size_bytes > self._max_bytes:
            raise RequestError(f"The file is larger than the allowed {self._max_bytes} bytes.", code="body_too_large")
        await asyncio.to_thread(self._hash.update, block)

    @property
    def checksum(self) -> str:
        """SHA-256, in hexadecimal digits."""
        return self._hash.hexdigest()


async def regroup(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of at least `BLOCK_BYTES` (the last may be shorter): a thread switch per block pays."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)


async def peek(chunks: AsyncIterable[bytes], size_bytes: int) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes (at least so many, unless there are fewer), and an iterator over everything, those included."""
    head, rest = bytearray(), aiter(chunks)
    while len(head) < size_bytes and (chunk := await anext(rest, b"")):
        head += chunk

    async def whole() -> AsyncIterator[bytes]:
        yield bytes(head)
        async for chunk in rest:
            yield chunk

    return bytes(head), whole()


async def blocks_of(file: BinaryIO) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
        yield block


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def write_new(path: Path, blocks: AsyncIterable[bytes]) -> None:
    """A new file with these bytes, or none. Raises FileExistsError rather than write through what stands there."""
    with await asyncio.to_thread(path.open, "xb") as file:
        try:
            async for block in blocks:
                await asyncio.to_thread(file.write, block)
        except BaseException:
            await asyncio.to_thread(path.unlink)
            raise
