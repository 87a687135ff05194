"""What was said. Times are seconds from the start of the media; words are in order and do not overlap."""

from __future__ import annotations

from msgspec import Struct

from mediaanalysis.structs.media import Notice
from mediaanalysis.structs.usage import Call, Usage


class Word(Struct, frozen=True):
    """`confidence` 0 to 1, None where the provider gives none."""

    text: str
    start: float
    end: float
    confidence: float | None = None
    speaker: str | None = None


class Segment(Struct, frozen=True):
    text: str
    start: float
    end: float
    confidence: float | None = None
    speaker: str | None = None


class Gap(Struct, frozen=True):
    """A part of the media that should have been heard and was not, with the reason."""

    start: float
    end: float
    reason: str


class Transcript(Struct, frozen=True):
    """`no_speech` says that the audio was heard and holds no voice: text is then empty, never invented.

    `calls`: the path taken, failures included.
    """

    text: str
    provider: str
    model: str
    language: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
    gaps: tuple[Gap, ...] = ()
    no_speech: bool = False
    usage: Usage = Usage()
    notices: tuple[Notice, ...] = ()
    calls: tuple[Call, ...] = ()
