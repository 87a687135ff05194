"""What a provider is asked, and what it answers. Providers see these structs and files on disk, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from mediaanalysis.structs.media import Frame, MediaProbe, Notice, Page, ScreenText, Span
from mediaanalysis.structs.transcript import Transcript
from mediaanalysis.structs.usage import Call, Usage


class TranscriptionRequest(Struct, frozen=True):
    """`audio` is 16 kHz mono FLAC on disk; `speech` the spans worth listening to."""

    audio: Path
    duration_seconds: float
    speech: tuple[Span, ...] = ()
    silences: tuple[Span, ...] = ()
    language: str | None = None
    model: str | None = None


class Picture(Struct, frozen=True):
    """A frame on disk."""

    path: Path
    frame: Frame


class AnswerRequest(Struct, frozen=True):
    """All that was seen, heard and read, with the prompt. Text that comes from media is data, never instruction."""

    prompt: str
    probe: MediaProbe
    pictures: tuple[Picture, ...] = ()
    transcript: Transcript | None = None
    screen_texts: tuple[ScreenText, ...] = ()
    pages: tuple[Page, ...] = ()
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    language: str | None = None


class Evidence(Struct, frozen=True):
    """Where an answer is taken from: `source` is transcript, screen_text, page or media."""

    source: str
    quote: str
    start: float | None = None
    end: float | None = None
    page: int | None = None


class Answer(Struct, frozen=True):
    """`extractive` says that the text is quoted out of the media and its facts, not written by a model.

    `calls`: the path taken, failures included.
    """

    text: str
    summary: str
    topics: tuple[str, ...]
    provider: str
    model: str
    extractive: bool = False
    confidence: float | None = None
    evidence: tuple[Evidence, ...] = ()
    usage: Usage = Usage()
    detailed_analysis: dict[str, Any] = {}
    notices: tuple[Notice, ...] = ()
    calls: tuple[Call, ...] = ()
