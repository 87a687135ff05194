"""Documents that are text: decoded by their mark, their look or their statistics; HTML without what is not read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from charset_normalizer import from_bytes

from mediaanalysis.media.children.page_text import Bounds, Found, sections
from mediaanalysis.media.plain_text import MARKS

WESTERN = "cp1252"
"""Taken before its many cousins, which fit as well: so do the browsers."""
SAMPLE_BYTES = 65_536
MAX_BYTES_PER_CHARACTER = 4
_BLOCKS = """
address article aside blockquote br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li
main nav ol p pre section table tbody tfoot thead title tr ul
"""
BLOCKS = frozenset(_BLOCKS.split())
CELLS = frozenset({"td", "th"})
HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select"})
HEADING = re.compile(r"^#{1,2}\s+(.*)$")
NEVER_SHOWN = re.compile(r"<!--.*?(?:-->|\Z)|<!\[.*?(?:\]>|\Z)|<\?.*?(?:>|\Z)", re.DOTALL)
"""Comments and the like. The parser takes quadratic time for those that never end."""
FENCE = re.compile(r"^\s*(```|~~~)")


def read_text(path: Path, bounds: Bounds) -> Found:
    """One page, or as many as form feeds make."""
    text, cut = _load(path, bounds)
    return sections(text.split("\f"), bounds, cut=cut)


def read_markdown(path: Path, bounds: Bounds) -> Found:
    """One section per heading of the first two levels."""
    text, cut = _load(path, bounds)
    found = list(_markdown_sections(text))
    headings = (HEADING.match(section.partition("\n")[0]) for section in found)
    title = next((heading[1].rstrip().rstrip("#").rstrip() for heading in headings if heading), None)
    return sections(found, bounds, title=title, cut=cut)


def read_html(path: Path, bounds: Bounds) -> Found:
    text, cut = _load(path, bounds)
    page = _Page()
    page.feed(NEVER_SHOWN.sub("", text))
    page.close()
    return sections(["".join(page.body)], bounds, title="".join(page.title), cut=cut)


def _load(path: Path, bounds: Bounds) -> tuple[str, bool]:
    """The text, and whether the file holds more bytes than the most characters may take."""
    most = bounds.max_characters * MAX_BYTES_PER_CHARACTER
    with path.open("rb") as file:
        data = file.read(most + 1)
    return decode(data[:most]), len(data) > most


def decode(data: bytes) -> str:
    """Never fails: what fits no encoding becomes U+FFFD."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode(_encoding(data), "replace")


def _encoding(data: bytes) -> str:
    sample = data[:SAMPLE_BYTES]
    if sample.count(0) * 4 > len(sample):  # Western text in UTF-16 is every other byte a zero
        return "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
    if _is_utf8(sample):
        return "utf-8"
    matches = from_bytes(sample)
    if not matches or any(match.encoding == WESTERN and match.chaos <= 0.1 for match in matches):
        return WESTERN
    return matches[0].encoding


def _is_utf8(sample: bytes) -> bool:
    """The sample may end within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _markdown_sections(text: str) -> Iterator[str]:
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= bool(FENCE.match(line))
        if lines and not fenced and HEADING.match(line):
            yield "\n".join(lines)
            lines = []
        lines.append(line)
    yield "\n".join(lines)


class _Page(HTMLParser):
    """Collects what a browser would show. Blocks become lines; what is never shown is dropped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.body: list[str] = []
        self._hidden: str | None = None
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden is None and tag in HIDDEN:
            self._hidden = tag
        self._in_title = tag == "title"
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = None
        self._in_title = False
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._hidden is None:
            words = re.sub(r"\s+", " ", data)
            (self.title if self._in_title else self.body).append(words)

    def _break(self, tag: str) -> None:
        if tag in BLOCKS:
            self.body.append("\n")
        elif tag in CELLS:
            self.body.append(" ")
