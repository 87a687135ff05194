"""How much of one medium is looked at."""

from __future__ import annotations

from msgspec import Struct


class MediaLimits(Struct, frozen=True):
    """`max_pixels` is width x height of a picture; `max_characters` bounds the text kept of a document."""

    max_seconds: float
    max_pixels: int
    max_pages: int
    max_characters: int
