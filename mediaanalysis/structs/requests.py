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


class Config(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who answers and how. None means the service's default.

    `max_cost_usd`: what providers may cost in all; what would cost more is not begun.
    """

    provider: ProviderName | None = None
    model: ModelName | None = None
    transcription_provider: ProviderName | None = None
    transcription_model: ModelName | None = None
    language: LanguageTag | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=131_072)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_cost_usd: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None


class Options(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which stages run, and how much of each.

    `partial`: a part of the sound that cannot be transcribed leaves a gap and a warning, instead of no transcript.
    """

    extract_frames: bool = True
    frame_count: Annotated[int, Meta(ge=1, le=64)] = 6
    generate_contact_sheet: bool = True
    transcribe_audio: bool = True
    read_text: bool = True
    partial: bool = False


class AnalyzeRequest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request. Exactly one of `media_url`, `source_analysis_id` or an uploaded file names the media."""

    prompt: Annotated[str, Meta(min_length=1, max_length=PROMPT_MAX_CHARACTERS)]
    media_url: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    source_analysis_id: UUID | None = None
    media_type: MediaType = MediaType.UNKNOWN
    config: Config = Config()
    options: Options = Options()
    priority: Annotated[int, Meta(ge=0, le=10)] = 5
    callback_url: Annotated[str, Meta(max_length=4096)] | None = None
    metadata: dict[str, Any] = {}
