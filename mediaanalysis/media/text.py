"""Text in pictures: frames, still pictures and scanned pages, read by recognition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mediaanalysis.media.reading_order import in_reading_order
from mediaanalysis.sandbox import Limits, Reach, Resident, Sandbox
from mediaanalysis.structs.media import TextLine

TIMEOUT_SECONDS = 60
MAX_PIXELS = 64 * 1024**2
LIMITS = Limits(address_space_bytes=3 * 1024**3, cpu_seconds=3600)
"""The models map 1.2 GiB, and the largest allowed picture takes 0.6 more."""


def resident(sandbox: Sandbox, *, idle_seconds: float) -> Resident:
    """The child that reads."""
    module, reach = "mediaanalysis.media.children.ocr", Reach(reads=sandbox.work)
    return Resident(sandbox, module, idle_seconds=idle_seconds, limits=LIMITS, reach=reach)


async def read(ocr: Resident, pictures: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> list[tuple[TextLine, ...]]:
    """The lines of each picture (PNG, JPEG, GIF, WebP, BMP, TIFF; of an animation the first), in reading order.

    Raises MediaError media_damaged or media_too_large.
    """
    return [await _read(ocr, picture, max_pixels) for picture in pictures]


async def _read(ocr: Resident, picture: Path, max_pixels: int) -> tuple[TextLine, ...]:
    request = {"picture": str(picture), "max_pixels": max_pixels}
    found = await ocr.call(request, timeout_seconds=TIMEOUT_SECONDS)
    lines = msgspec.convert(found, list[tuple[str, float, tuple[int, int, int, int]]])
    return in_reading_order([TextLine(text, confidence, box) for text, confidence, box in lines])
