"""`media_analysis_results`: the answer to the prompt, its summary, and what it cost. See `sql/results.sql`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.answers import Answer
from mediaanalysis.structs.requests import MediaType

_SQL = statements.load("results")


class ResultRow(Struct, frozen=True, kw_only=True):
    """Tokens and cost are those of all calls together; `cost_usd` None means unknown."""

    request_id: UUID
    analysis_type: MediaType
    result_text: str
    summary: str
    topics: tuple[str, ...]
    detailed_analysis: dict[str, Any]
    model_used: str
    prompt_used: str
    provider: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    latency_ms: int | None
    confidence_score: float | None
    metadata: dict[str, Any]
    created_at: datetime


async def put(db: Db, analysis_id: UUID, prompt: str, media_type: MediaType, answer: Answer) -> float | None:
    """Store the result. Returns what the analysis cost, in US dollars; None: unknown."""
    cost_usd: float | None = await db.fetchval(_SQL.put, analysis_id, prompt, media_type, answer)
    return cost_usd


async def get(db: Db, analysis_id: UUID) -> ResultRow | None:
    return rows.one(await db.fetchrow(_SQL.get, analysis_id), ResultRow)
