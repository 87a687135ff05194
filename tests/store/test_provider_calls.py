"""The ledger: each call is a row, whatever came of it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.store import provider_calls
from mediaanalysis.store.pool import Pool
from mediaanalysis.store.provider_calls import Spent
from mediaanalysis.structs.usage import Call
from tests.store.cases import OWNER, accepted

DONE = Call(
    "groq", "whisper", "transcription", "done", 2, 900, audio_seconds=60.5, cost_usd=0.00012345, request_id="req_1"
)
BUSY = Call("openai", "luna", "answer", "busy", 1, 12, cost_usd=0, detail="slow down")
UNKNOWN = Call("mine", "own", "answer", "done", 1, 50, input_tokens=900, output_tokens=80, cost_usd=None)


async def test_calls_are_kept_in_order_with_all_that_is_known(db: Pool) -> None:
    analysis_id = await accepted(db)
    await provider_calls.add(db, analysis_id, "transcribe", 3, DONE)
    await provider_calls.add(db, analysis_id, "answer", 0, BUSY)
    first, second = await provider_calls.list_all(db, analysis_id)
    assert (first.stage, first.chunk, first.model, first.attempt) == ("transcribe", 3, "whisper", 2)
    assert (first.cost_usd, first.audio_seconds, first.provider_request_id) == (0.00012345, 60.5, "req_1")
    assert (second.outcome, second.detail, second.billed, first.billed) == ("busy", "slow down", False, True)
    assert await db.fetchval("select owner_id from provider_calls limit 1") == OWNER


async def test_spending_is_summed_and_what_is_unknown_is_counted(db: Pool) -> None:
    analysis_id = await accepted(db)
    assert await provider_calls.sum_spent(db, analysis_id) == Spent(0, 0)
    for call in (DONE, BUSY, UNKNOWN):
        await provider_calls.add(db, analysis_id, "answer", 0, call)
    assert await provider_calls.sum_spent(db, analysis_id) == Spent(0.00012345, 1)
    assert [row.billed for row in await provider_calls.list_all(db, analysis_id)] == [True, False, True]


async def test_a_purged_analysis_takes_its_calls_along_and_gets_no_more(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    await provider_calls.add(db, analysis_id, "answer", 0, DONE)
    await operator.execute("delete from media_analysis_requests where id = $1", analysis_id)
    await provider_calls.add(db, analysis_id, "answer", 0, DONE)
    await provider_calls.add(db, uuid4(), "answer", 0, DONE)
    assert await db.fetchval("select count(*) from provider_calls") == 0


async def test_operators_see_what_was_spent(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    for call in (DONE, DONE, UNKNOWN, BUSY):
        await provider_calls.add(db, analysis_id, "answer", 0, call)
    found = {row["provider"]: dict(row) for row in await operator.fetch("select * from ops.spend")}
    assert float(found["groq"]["cost_usd"]) == 0.0002
    assert (found["groq"]["calls"], float(found["groq"]["audio_minutes"])) == (2, 2.0)
    assert (found["mine"]["cost_unknown"], found["openai"]["failed"]) == (1, 1)


@pytest.mark.parametrize("change", ["cost_usd = -1", "operation = 'x'", "attempt = 0", "latency_ms = -1"])
async def test_rows_that_cannot_be_true_are_refused(db: Pool, operator: Pool, change: str) -> None:
    await provider_calls.add(db, await accepted(db), "answer", 0, DONE)
    with pytest.raises(StoreError, match="23514"):
        await operator.execute(f"update provider_calls set {change}")
