"""What was heard and read, line by line with its time or page, in parts that a model takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mediaanalysis.structs.media import Page, ScreenText
from mediaanalysis.structs.transcript import Transcript

ASCII_PER_TOKEN = 3.5
"""English is about 4. Other scripts are counted as a token for each character, which is more than they take."""


class Line(Struct, frozen=True):
    """`source` as in `Evidence`. Times in seconds; `page` is 1-based."""

    source: str
    text: str
    start: float | None = None
    end: float | None = None
    page: int | None = None

    @property
    def place(self) -> str:
        """`[transcript 12.3-15.8]`, `[screen_text 12.0]`, `[page 3]`."""
        if self.page is not None:
            return f"[page {self.page}]"
        if self.start is None:
            return f"[{self.source}]"
        end = "" if self.end is None or self.end == self.start else f"-{self.end:.1f}"
        return f"[{self.source} {self.start:.1f}{end}]"

    @property
    def shown(self) -> str:
        return f"{self.place} {self.text}"


def lines(transcript: Transcript | None, screen_texts: Sequence[ScreenText], pages: Sequence[Page]) -> tuple[Line, ...]:
    """All of it, in order: pages, then what was said and shown, by time."""
    timed = [*_said(transcript), *_shown(screen_texts)]
    of_pages = [Line("page", page.text.strip(), page=page.number) for page in pages if page.text.strip()]
    return (*of_pages, *sorted(timed, key=lambda line: (line.page or 0, line.start or 0.0)))


def _said(transcript: Transcript | None) -> Iterator[Line]:
    if transcript is None:
        return
    for segment in transcript.segments:
        speaker = f"({segment.speaker}) " if segment.speaker else ""
        yield Line("transcript", f"{speaker}{segment.text.strip()}", segment.start, segment.end)
    if not transcript.segments and transcript.text:
        yield Line("transcript", transcript.text)


def _shown(screen_texts: Sequence[ScreenText]) -> Iterator[Line]:
    for text in screen_texts:
        if text.lines:
            said = " / ".join(line.text for line in text.lines)
            yield Line("screen_text", said, text.at_seconds, page=text.page)


def tokens(text: str) -> int:
    """About how many a model counts; rather more than fewer."""
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return int(plain / ASCII_PER_TOKEN) + len(text) - plain + 1


def within(text: str, room_tokens: int) -> str:
    """The beginning of it that fits."""
    return text if tokens(text) <= room_tokens else text[: _fitting(text, room_tokens)]


def parts(material: Sequence[Line], room_tokens: int) -> list[list[Line]]:
    """The material in parts of at most `room_tokens` each, as few as can be; a line that is too long is divided.

    Nothing is left out. Without material, there are no parts.
    """
    packed: list[list[Line]] = []
    left = 0
    for line in material:
        for piece in _pieces(line, room_tokens):
            size = tokens(piece.shown) + 1
            if size > left:
                packed.append([])
                left = room_tokens
            packed[-1].append(piece)
            left -= size
    return packed


def _pieces(line: Line, room_tokens: int) -> Iterator[Line]:
    """The line, or as much of it as there is room for, again and again; divided at a space where there is one."""
    text = line.text
    while tokens(f"{line.place} {text}") + 1 > room_tokens:
        most = _fitting(text, room_tokens - tokens(line.place) - 2)
        cut = text.rfind(" ", most // 2, most) + 1 or most
        yield replace(line, text=text[:cut])
        text = text[cut:]
    yield replace(line, text=text)


def _fitting(text: str, room_tokens: int) -> int:
    """Characters of the beginning that surely fit; at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tokens(text[:middle]) <= room_tokens else (low, middle - 1)
    return low
