"""What is sent to a vendor and what comes back, whatever protocol carries it: one clip heard, one message answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from mediaanalysis.providers.catalogue import Model
from mediaanalysis.structs.transcript import Segment, Transcript, Word
from mediaanalysis.structs.usage import Call


class Clip(Struct, frozen=True):
    """Audio on disk, sent as it is. Times in what comes back count from its start.

    `words`: times of words are wanted where they can be had.
    """

    path: Path
    mime_type: str
    duration_seconds: float
    size_bytes: int
    language: str | None = None
    words: bool = True
    speakers: bool = False


class Image(Struct, frozen=True):
    """A picture on disk, already of the size it shall be sent in."""

    path: Path
    mime_type: str = "image/jpeg"
    caption: str = ""


class Message(Struct, frozen=True):
    """One question to a model. `schema` is a JSON Schema: strict where the model has that mode, else a plea for JSON.

    A caption is sent in front of its image. `max_tokens` None: the model's own limit.
    """

    text: str
    instructions: str = ""
    images: tuple[Image, ...] = ()
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None


class Metered(Struct, frozen=True):
    """What a vendor says a call took; `cost_usd` is the vendor's own figure. None: not said."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    audio_tokens: int = 0
    seconds: float | None = None
    cost_usd: float | None = None


class Heard(Struct, frozen=True):
    """What a clip holds. `duration_seconds` is what the vendor decoded, where it says so."""

    text: str
    metered: Metered = Metered()
    language: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
    duration_seconds: float | None = None
    request_id: str | None = None


class Said(Struct, frozen=True):
    """What a model answered. `cut`: it stopped at its limit of tokens."""

    text: str
    metered: Metered = Metered()
    cut: bool = False
    request_id: str | None = None


class Reply(Struct, frozen=True):
    """The answer to a message, who gave it, and the path taken."""

    text: str
    provider: str
    model: str
    cut: bool = False
    calls: tuple[Call, ...] = ()


class Hearing(Struct, frozen=True):
    """The transcript of a clip (times from the clip's start); its `calls` are the path taken."""

    transcript: Transcript
    duration_seconds: float | None = None


class Ear(Protocol):
    """A wire protocol for transcription. Raises Failure."""

    async def hear(self, clip: Clip, model: Model) -> Heard: ...


class Mouth(Protocol):
    """A wire protocol for answers. Raises Failure."""

    async def say(self, message: Message, model: Model) -> Said: ...
