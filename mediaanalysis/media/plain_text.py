"""Which kind of text is it? Playlists and manifests are refused; the rest is HTML, Markdown, CSV or plain."""

from __future__ import annotations

import codecs
import re

from mediaanalysis.errors import MediaError
from mediaanalysis.structs.media import Identity
from mediaanalysis.structs.requests import MediaType

HTML = Identity(MediaType.DOCUMENT, "text/html", "html")
MARKDOWN = Identity(MediaType.DOCUMENT, "text/markdown", "md")
CSV = Identity(MediaType.DOCUMENT, "text/csv", "csv")
PLAIN = Identity(MediaType.DOCUMENT, "text/plain", "txt")

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
UNPRINTABLE = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
MOSTLY_FOREIGN = 0.3
"""Share of bytes beyond ASCII above which bytes that are no UTF-8 are not taken for an old Western text."""

# A hostile text must not keep the event loop: every step below is possessive or ends where the next could begin, so
# that each character is looked at a bounded number of times.
BEFORE = r"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:<!--(?>.*?-->)\s*+)*+"
"""Blanks, the XML declaration and comments: what may stand before a document begins."""
POINTERS = re.compile(
    r"\s*+(?:#EXTM3U|ffconcat\s+version|\[playlist\]|v=0[^\S\n]*+\n\s*+o=|\[reference\]|RTSPtext|<asx\b)"
    rf"|{BEFORE}<(?:MPD|smil|SmoothStreamingMedia|playlist|manifest)\b",
    re.IGNORECASE | re.DOTALL,
)
DOCTYPE = r"<!DOCTYPE svg[^>\[]*+(?:\[[^\]]*+\]\s*+)?+>\s*+"
DRAWING = re.compile(rf"{BEFORE}(?:{DOCTYPE})?+<svg\b", re.DOTALL)
PAGE = re.compile(rf"{BEFORE}<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
MARKED_UP = re.compile(r"^(?:#{1,6} \S|```|~~~|[-*] \[[ x]\] |> \S)|\[[^\[\]\n]++\]\([^()\n]++\)", re.MULTILINE)
DELIMITERS = ",;\t"
ROWS = 8


def marked(head: bytes) -> Identity | None:
    """Text that opens with a byte order mark. Asked before the signatures: UTF-16's looks like MPEG audio."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return _kind(head[len(mark) :].decode(encoding, errors="ignore"))
    return None


def plain(head: bytes) -> Identity | None:
    """UTF-8 (the end of `head` may cut a character), or an old Western encoding; None for bytes that are no text."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        if sum(byte > 0x7F for byte in head) > MOSTLY_FOREIGN * len(head):
            return None
        text = head.decode("latin-1")
    return _kind(text)


def _kind(text: str) -> Identity | None:
    if UNPRINTABLE.search(text):
        return None
    if POINTERS.match(text):
        raise MediaError("Playlists and manifests are not followed: send the media itself.", code="media_unsupported")
    if DRAWING.match(text):
        raise MediaError("SVG drawings are not read: send a PNG of it.", code="media_unsupported")
    if PAGE.match(text):
        return HTML
    if MARKED_UP.search(text):
        return MARKDOWN
    return CSV if _is_table(text) else PLAIN


def _is_table(text: str) -> bool:
    """Two rows or more, each with the same number of the same delimiter outside quotes."""
    rows = [re.sub(r'"[^"]*"', "", row) for row in text.splitlines()[: ROWS + 1] if row.strip()][:ROWS]
    counts = [{row.count(delimiter) for row in rows} for delimiter in DELIMITERS]
    return len(rows) > 1 and any(len(found) == 1 and found != {0} for found in counts)
