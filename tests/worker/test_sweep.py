"""The chore that keeps the tables from growing for ever."""

from __future__ import annotations

from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.worker.sweep import FAILURES_KEEP_DAYS, sweep_jobs
from tests.worker.conftest import OWNER, new_analysis


async def test_old_failures_and_expired_keys_are_forgotten(database: Database, db: Pool) -> None:
    analysis_id = await new_analysis(db)
    await db.execute(
        "insert into job_failures (job_id, kind, owner_id, priority, max_attempts, timeout_seconds, payload,"
        " attempts, crashes, error_code, error_message, failed_at)"
        " select days, 'analyze', $1, 5, 5, 60, '{}', 1, 0, 'stage_failed', '', now() - make_interval(days => days)"
        " from unnest($2::int[]) as days",
        OWNER,
        [FAILURES_KEEP_DAYS - 1, FAILURES_KEEP_DAYS + 1],
    )
    await db.execute(
        "insert into idempotency_keys (owner_id, key, fingerprint, analysis_id, expires_at)"
        " select $1, n::text, repeat('a', 64), $2, now() + make_interval(days => n) from unnest(array[-1, 1]) as n",
        OWNER,
        analysis_id,
    )
    await sweep_jobs(database)
    assert [row["job_id"] for row in await db.fetch("select job_id from job_failures")] == [FAILURES_KEEP_DAYS - 1]
    assert [row["key"] for row in await db.fetch("select key from idempotency_keys")] == ["1"]
