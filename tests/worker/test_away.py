"""A job whose database goes away under it: no fault of the job's."""

from __future__ import annotations

import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.store import jobs
from mediaanalysis.store.pool import Pool
from mediaanalysis.structs.jobs import Job, NewJob
from mediaanalysis.worker import Control, outcome
from tests.worker.conftest import Start, eventually


async def test_it_comes_again_with_its_attempt(start: Start, db: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "OUTAGE_SECONDS", 0.0)
    seen: list[tuple[int, int]] = []

    async def work(job: Job, _control: Control) -> None:
        seen.append((job.attempt, job.crashes))
        if len(seen) < 8:
            raise StoreError("the database is not reachable", is_away=True)

    await start({"work": work})
    await jobs.enqueue(db, [NewJob("work")])
    await eventually(lambda: db.fetchval("select not exists (select from processing_jobs)"))
    assert seen == [(1, 0)] * 8
