"""What readers of documents give, and the bounds they keep."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from mediaanalysis.structs.media import Page

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
BLANK_LINES = re.compile(r"\n{3,}")


class Bounds(Struct, frozen=True):
    """`into`: where pictures go. At most `max_pages` pages and `max_characters` characters are kept."""

    into: Path
    max_pages: int
    max_characters: int


class Found(Struct, frozen=True):
    """`page_count` is the document's own, also where fewer `pages` are kept; `text_cut` says that text was left out."""

    pages: list[Page]
    page_count: int
    text_cut: bool = False
    title: str | None = None


def clean(text: str) -> str:
    """One kind of line end, no control characters (PostgreSQL takes no NUL), no trailing space, no deserts."""
    text = UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return BLANK_LINES.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def sections(texts: Iterable[str], bounds: Bounds, *, title: str | None = None, cut: bool = False) -> Found:
    """Number the texts that are not blank as pages, within the bounds."""
    cleaned = [text for text in map(clean, texts) if text]
    pages: list[Page] = []
    left = bounds.max_characters
    for number, text in enumerate(cleaned[: bounds.max_pages], start=1):
        pages.append(Page(number, text[:left]))
        cut = cut or len(text) > left
        left = max(0, left - len(text))
    return Found(pages, len(cleaned), cut, clean(title) or None if title else None)
