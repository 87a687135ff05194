"""A day, an id and a key to store under, and bytes to store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from uuid import UUID

from mediaanalysis.storage import layout

DAY = date(2026, 1, 31)
ID = UUID("0198c0de-0000-7000-8000-000000000001")
KEY = layout.key_of("original", DAY, ID, "original.mp4")
RESULT = layout.key_of("output", DAY, ID, "result.json")
BUCKET = "media"


async def chunks(size_bytes: int, chunk_bytes: int = 65_536) -> AsyncIterator[bytes]:
    """Bytes in which no two neighbouring chunks are alike."""
    for start in range(0, size_bytes, chunk_bytes):
        yield bytes([start // chunk_bytes % 251]) * min(chunk_bytes, size_bytes - start)


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
