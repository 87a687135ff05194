"""`analysis_stages`: what each stage of an analysis did. See `sql/stages.sql`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.jobs import Job

_SQL = statements.load("stages")


class Reusable(Struct, frozen=True):
    """A finished stage with the same inputs, of the analysis `request_id`."""

    request_id: UUID
    output: Any
    provider: str | None
    model: str | None


class StageEnd(Struct, frozen=True, kw_only=True):
    """How a stage ended. `cost_usd` None means unknown; `output` must be there for `done` and `reused`, may be null.

    Without `input_key` it cannot be taken over by anybody.
    """

    stage: str
    state: str
    input_key: str | None
    chunk: int = 0
    output: Any = None
    provider: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    duration_ms: int | None = None
    reused_from: UUID | None = None
    error_code: str | None = None

    @classmethod
    def failed(cls, stage: str, input_key: str, error_code: str, duration_ms: int, chunk: int = 0) -> StageEnd:
        return cls(
            stage=stage,
            state="failed",
            input_key=input_key,
            chunk=chunk,
            error_code=error_code,
            duration_ms=duration_ms,
        )

    @classmethod
    def reused(cls, stage: str, input_key: str, found: Reusable, chunk: int = 0) -> StageEnd:
        """Taken over: no tokens, no cost, no time."""
        return cls(
            stage=stage,
            state="reused",
            input_key=input_key,
            chunk=chunk,
            output=found.output,
            provider=found.provider,
            model=found.model,
            cost_usd=0,
            duration_ms=0,
            reused_from=found.request_id,
        )


class StageRow(Struct, frozen=True, kw_only=True):
    """A line of the timeline."""

    stage: str
    chunk: int
    state: str
    attempt: int
    provider: str | None
    model: str | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    duration_ms: int | None
    reused_from: UUID | None
    error_code: str | None
    started_at: datetime
    finished_at: datetime | None


async def start(db: Db, analysis_id: UUID, job: Job, stage: str, input_key: str, chunk: int = 0) -> bool:
    """Begin a stage, or a part of it. False: the job was taken away."""
    return await db.fetchval(_SQL.start_stage, analysis_id, job.id, job.fence, stage, input_key, chunk) is not None


async def finish(db: Db, analysis_id: UUID, job: Job, end: StageEnd) -> bool:
    """End a stage. False: the job was taken away."""
    return await db.fetchval(_SQL.finish_stage, analysis_id, job.id, job.fence, end) is not None


async def find_reusable(db: Db, owner_id: UUID, analysis_id: UUID, stage: str, input_key: str) -> Reusable | None:
    """A finished stage of the owner with the same inputs, this analysis's own before others'."""
    return rows.one(await db.fetchrow(_SQL.find_reusable, owner_id, analysis_id, stage, input_key), Reusable)


async def list_all(db: Db, analysis_id: UUID) -> list[StageRow]:
    """The timeline, in the order of starting."""
    return rows.every(await db.fetch(_SQL.list_all, analysis_id), StageRow)


async def read_outputs(db: Db, analysis_id: UUID) -> dict[str, Any]:
    """What the finished stages gave as a whole, by stage."""
    return {record["stage"]: record["output"] for record in await db.fetch(_SQL.read_outputs, analysis_id)}
