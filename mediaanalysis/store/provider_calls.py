"""`provider_calls`: each call of a provider and what it cost. See `sql/provider_calls.sql`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from mediaanalysis.store import rows, statements
from mediaanalysis.store.pool import Db
from mediaanalysis.structs.usage import Call

_SQL = statements.load("provider_calls")


class Spent(Struct, frozen=True):
    """`cost_usd` is the sum of what is known; `unknown` counts the calls that are not in it."""

    cost_usd: float
    unknown: int


class CallRow(Struct, frozen=True, kw_only=True):
    """A line of the ledger. `cost_usd` None: unknown; `billed`: it was, or may have been, paid for."""

    stage: str
    chunk: int
    provider: str
    model: str
    operation: str
    outcome: str
    attempt: int
    latency_ms: int
    input_tokens: int
    output_tokens: int
    audio_seconds: float
    cost_usd: float | None
    billed: bool
    provider_request_id: str | None
    detail: str | None
    created_at: datetime


async def add(db: Db, analysis_id: UUID, stage: str, chunk: int, call: Call) -> None:
    """Put a call on record, whoever holds the job by now."""
    await db.execute(_SQL.add, analysis_id, stage, chunk, call)


async def sum_spent(db: Db, analysis_id: UUID) -> Spent:
    """What an analysis has cost so far, all its attempts together."""
    spent = rows.one(await db.fetchrow(_SQL.sum_spent, analysis_id), Spent)
    assert spent is not None
    return spent


async def list_all(db: Db, analysis_id: UUID) -> list[CallRow]:
    """The path taken, in order."""
    return rows.every(await db.fetch(_SQL.list_all, analysis_id), CallRow)
