"""What a client asks for: the body of `POST /api/media/analyze`, decoded and checked."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct


class MediaType(StrEnum):
    """Kind of media, decided by content. Mirrors the enum `media_type_enum`."""

    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    IMAGE = "image"
    UNKNOWN = "unknown"


class AnalysisStatus(StrEnum):
    """Where an analysis stands. Mirrors the enum `media_analysis_status`."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


PROMPT_MAX_CHARACTERS = 32_768
METADATA_MAX_BYTES = 16_384

ProviderName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
ModelName = Annotated[str, Meta(min_length=1, max_length=128)]
LanguageTag = Annotated[str, Meta(min_length=2, max_length=16, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


Tokens = Annotated[int, Meta(ge=1, le=131_072)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]
Address = Annotated[
    str,
    Meta(min_length=1, max_length=4096, extra_json_schema={"format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}),
]


Prompt = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=PROMPT_MAX_CHARACTERS,
        description="What to find out.",
        extra_json_schema={"pattern": r"\S"},
    ),
]


class Config(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who answers and how. None means the service's default.

    `max_cost_usd`: what providers may cost in all; what would cost more is not begun.
    """

    provider: Annotated[ProviderName | None, Meta(description="Who answers.")] = None
    model: Annotated[ModelName | None, Meta(description="The model that answers.")] = None
    transcription_provider: Annotated[ProviderName | None, Meta(description="Who listens.")] = None
    transcription_model: Annotated[ModelName | None, Meta(description="The model that listens.")] = None
    language: Annotated[LanguageTag | None, Meta(description="The language that is spoken, as `en` or `pt-BR`.")] = None
    max_tokens: Annotated[Tokens | None, Meta(description="Longest answer of the model.")] = None
    temperature: Annotated[Temperature | None, Meta(description="How freely the model writes.")] = None
    max_cost_usd: Annotated[Dollars | None, Meta(description="What would cost more is not begun.")] = None


class Options(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which stages run, and how much of each.

    `partial`: a part of the sound that cannot be transcribed leaves a gap and a warning, instead of no transcript.
    `reuse`: an unfinished analysis of the owner with the same media, prompt, config and options is answered with.
    """

    extract_frames: Annotated[bool, Meta(description="Cut pictures out of a video.")] = True
    frame_count: Annotated[int, Meta(ge=1, le=64, description="How many.")] = 6
    generate_contact_sheet: Annotated[bool, Meta(description="Put the frames into one picture.")] = True
    transcribe_audio: Annotated[bool, Meta(description="Write down what is said.")] = True
    read_text: Annotated[bool, Meta(description="Read the text on frames, pictures and scanned pages.")] = True
    partial: Annotated[bool, Meta(description="A lost part of the sound is a gap, not a failure to transcribe.")] = (
        False
    )
    reuse: Annotated[
        bool, Meta(description="If the same question is under way, follow that analysis instead of a new one.")
    ] = False


class AnalyzeRequest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request. Exactly one of `media_url`, `source_analysis_id` or an uploaded file names the media."""

    prompt: Prompt
    media_url: Annotated[Address | None, Meta(description="Where to fetch the media from.")] = None
    source_analysis_id: Annotated[UUID | None, Meta(description="Ask again about the media of this analysis.")] = None
    media_type: Annotated[MediaType, Meta(description="Fail if the content is of another.")] = MediaType.UNKNOWN
    config: Config = Config()
    options: Options = Options()
    priority: Annotated[int, Meta(ge=0, le=10, description="Higher first; a step is worth a minute of waiting.")] = 5
    callback_url: Annotated[Address | None, Meta(description="Not supported yet: refused.")] = None
    metadata: Annotated[dict[str, Any], Meta(description="Your own object, returned as given.")] = {}
