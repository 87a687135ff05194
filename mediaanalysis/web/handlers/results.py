"""The whole result of an analysis, put together from what each table knows of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from mediaanalysis.store import analyses, contact_sheets, files, provider_calls, stages, transcriptions
from mediaanalysis.store import results as store
from mediaanalysis.store.analyses import Analysis
from mediaanalysis.store.faults import answered_within
from mediaanalysis.store.files import FileRow
from mediaanalysis.store.pool import Db
from mediaanalysis.store.provider_calls import CallRow
from mediaanalysis.store.results import ResultRow
from mediaanalysis.store.stages import StageRow
from mediaanalysis.structs.media import MediaProbe, Notice, Page, ScreenText
from mediaanalysis.structs.requests import Config, Options
from mediaanalysis.structs.transcript import Transcript
from mediaanalysis.structs.usage import Usage
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.handlers import polls
from mediaanalysis.web.responses import answers
from mediaanalysis.web.responses.answers import ContactSheetAnswer, FileAnswer, StatusAnswer
from mediaanalysis.web.responses.cache import RESULT_SECONDS, Answer

LOAD_SECONDS = 10.0


class Provenance(Struct, frozen=True, kw_only=True):
    """Who answered, and out of what. `extractive`: quoted from the media and its facts, not written by a model."""

    provider: str
    model: str
    prompt_used: str
    extractive: bool
    answered_at: datetime


class ResultAnswer(StatusAnswer, frozen=True, kw_only=True):
    """All that is known of an analysis. What has not been reached yet, or was not asked for, is null or empty.

    `calls` is the path taken through the providers: each call, whatever came of it, and what it cost.
    """

    prompt: str
    priority: int
    config: Config
    options: Options
    metadata: dict[str, Any]
    source_analysis_id: UUID | None
    original_filename: str | None
    warnings: tuple[Notice, ...]
    latency_ms: int | None
    result_text: str | None = None
    summary: str | None = None
    topics: tuple[str, ...] = ()
    detailed_analysis: dict[str, Any] | None = None
    confidence_score: float | None = None
    provenance: Provenance | None = None
    usage: Usage | None = None
    media: MediaProbe | None = None
    transcript: Transcript | None = None
    screen_texts: tuple[ScreenText, ...] = ()
    pages: tuple[Page, ...] = ()
    contact_sheet: ContactSheetAnswer | None = None
    files: tuple[FileAnswer, ...] = ()
    stages: tuple[StageRow, ...] = ()
    calls: tuple[CallRow, ...] = ()


async def load(edge: Edge, analysis_id: UUID, owner: UUID) -> Answer:
    """The encoded result. Raises not_found and deleted. The analysis is read first: all that belongs to the state it
    shows was committed before."""
    async with answered_within(LOAD_SECONDS), edge.services.database.pool.acquire() as db:
        row = await analyses.read_analysis(db, analysis_id, owner)
        if row is None or row.deleted_at:
            raise polls.missing(row)
        value = ResultAnswer(**_analysis(row), **await _parts(db, analysis_id))
    final = polls.is_final(row.status)
    return answers.encoded(value, is_final=final, keep_seconds=RESULT_SECONDS, version=row.updated_at)


def _analysis(row: Analysis) -> dict[str, Any]:
    return {
        **answers.status_fields(row),
        "prompt": row.prompt,
        "priority": row.priority,
        "config": row.config,
        "options": msgspec.structs.asdict(row.options),  # with the defaults, which the struct itself leaves out
        "metadata": row.metadata,
        "source_analysis_id": row.source_analysis_id,
        "original_filename": row.original_filename,
        "warnings": row.warnings,
        "latency_ms": row.latency_ms,
    }


async def _parts(db: Db, analysis_id: UUID) -> dict[str, Any]:
    result = await store.get(db, analysis_id)
    outputs = await stages.read_outputs(db, analysis_id)
    return {
        **(_result(result) if result else {}),
        # As the stages left them: the structs that wrote them are the types of these fields.
        "media": outputs.get("probe"),
        "screen_texts": (outputs.get("read_text") or {}).get("texts", ()),
        "pages": (outputs.get("pages") or {}).get("pages", ()),
        "transcript": await transcriptions.get(db, analysis_id),
        "contact_sheet": await _contact_sheet(db, analysis_id),
        "files": tuple(_file(row) for row in await files.list_all(db, analysis_id) if row.deleted_at is None),
        "stages": tuple(await stages.list_all(db, analysis_id)),
        "calls": tuple(await provider_calls.list_all(db, analysis_id)),
    }


def _result(row: ResultRow) -> dict[str, Any]:
    return {
        "result_text": row.result_text,
        "summary": row.summary,
        "topics": row.topics,
        "detailed_analysis": row.detailed_analysis,
        "confidence_score": row.confidence_score,
        "usage": Usage(row.input_tokens, row.output_tokens, row.cost_usd),
        "provenance": Provenance(
            provider=row.provider,
            model=row.model_used,
            prompt_used=row.prompt_used,
            extractive=bool(row.metadata.get("extractive")),
            answered_at=row.created_at,
        ),
    }


async def _contact_sheet(db: Db, analysis_id: UUID) -> ContactSheetAnswer | None:
    row = await contact_sheets.get(db, analysis_id)
    return (
        None
        if row is None
        else ContactSheetAnswer(
            grid_layout=row.grid_layout,
            resolution=row.resolution,
            frames_count=row.frames_count,
            tiles=row.metadata.get("tiles", ()),
            url=f"/api/media/{analysis_id}/contact-sheet",
        )
    )


def _file(row: FileRow) -> FileAnswer:
    return FileAnswer(
        filename=row.filename,
        kind=row.kind,
        mime_type=row.mime_type,
        size_bytes=row.size_bytes,
        checksum=row.checksum,
        url=f"/api/media/{row.request_id}/files/{row.filename}",
        width=row.width,
        height=row.height,
        duration_seconds=row.duration_seconds,
        at_seconds=row.at_seconds,
        expires_at=row.expires_at,
    )
