"""Accepting: one round trip for many requests, each for itself."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import msgspec
import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.store import analyses, audit, files, statements
from mediaanalysis.store.analyses import Acceptance
from mediaanalysis.store.batch import Batch
from mediaanalysis.store.files import NewFile
from mediaanalysis.store.pool import Database, Pool
from mediaanalysis.store.signals import JOBS, Signals
from tests.store.cases import HASH, OWNER, accepted, blocked, request

OTHER = "cd" * 32


async def outcomes(db: Pool, *requests: analyses.NewAnalysis) -> list[str]:
    return [accepted.outcome.value for accepted in await analyses.accept(db, requests)]


async def test_accepted_analysis_is_stored_queued_and_audited(db: Pool, operator: Pool) -> None:
    new = request(priority=8, actor="key:abc", address="192.0.2.7")
    [answer] = await analyses.accept(db, [new])
    assert answer == analyses.Accepted(Acceptance.ACCEPTED, new.id)
    stored = await analyses.read_analysis(db, new.id, OWNER)
    assert stored is not None
    assert (stored.status, stored.progress, stored.prompt, stored.metadata) == ("pending", 0, new.prompt, {"case": 7})
    assert (stored.config, stored.options) == (new.config, new.options)
    job = await db.fetchrow("select kind, owner_id, priority, run_at - sort_key as age from processing_jobs")
    assert job is not None
    assert (job["kind"], job["owner_id"], job["priority"]) == ("analyze", OWNER, 8)
    assert job["age"].total_seconds() == 8 * 60
    [change] = await audit.list_record(operator, new.id)
    assert (change.action, change.performed_by, change.ip_address) == ("insert", "key:abc", "192.0.2.7")
    assert change.new_values is not None
    assert change.new_values["prompt"] == new.prompt


async def test_uploaded_file_is_stored_with_its_analysis(db: Pool) -> None:
    original = NewFile(
        kind="original",
        filename="original.mp4",
        storage_path="uploads/2026-01-01/x/original.mp4",
        size_bytes=5,
        checksum=HASH,
        mime_type="video/mp4",
        retention_days=7,
    )
    analysis_id = await accepted(db, media_url=None, original_filename="../my talk.mp4", original=original)
    row = await files.find_original(db, analysis_id)
    assert row is not None
    assert (row.filename, row.original_path, row.size_bytes) == ("original.mp4", "../my talk.mp4", 5)
    assert row.expires_at is not None
    assert (row.expires_at - row.uploaded_at).days == 7


async def test_each_request_of_a_batch_has_its_own_outcome(db: Pool) -> None:
    before = request(key="k", fingerprint=HASH)
    assert await outcomes(db, before) == ["accepted"]
    assert await outcomes(
        db,
        request(),
        request(key="k", fingerprint=HASH),
        request(key="k", fingerprint=OTHER),
        request(key="k", fingerprint=HASH, owner_id=uuid4()),
        request(key="new", fingerprint=HASH),
        request(key="new", fingerprint=HASH),
        request(key="new", fingerprint=OTHER),
        request(source_analysis_id=uuid4(), key="free", fingerprint=HASH),
        request(source_analysis_id=before.id),
        request(source_analysis_id=before.id, owner_id=uuid4()),
    ) == [
        "accepted",
        "replayed",
        "mismatch",
        "accepted",
        "accepted",
        "replayed",
        "mismatch",
        "source_missing",
        "accepted",
        "source_missing",
    ]
    assert await db.fetchval("select count(*) from media_analysis_requests") == 5
    assert await db.fetchval("select count(*) from processing_jobs") == 5
    assert await db.fetchval("select count(*) from idempotency_keys") == 3


async def test_replay_names_the_first_analysis(db: Pool) -> None:
    first = request(key="k", fingerprint=HASH)
    again = request(key="k", fingerprint=HASH)
    assert [accepted.analysis_id for accepted in await analyses.accept(db, [first, again])] == [first.id, first.id]
    assert [accepted.analysis_id for accepted in await analyses.accept(db, [again])] == [first.id]


async def test_expired_key_is_free_again(db: Pool) -> None:
    await accepted(db, key="k", fingerprint=HASH)
    await db.execute("update idempotency_keys set expires_at = now()")
    second = await accepted(db, key="k", fingerprint=OTHER)
    assert await db.fetchval("select analysis_id from idempotency_keys") == second


async def test_key_that_is_being_accepted_elsewhere_waits_and_conflicts(database: Database) -> None:
    """The other commits after our statement began: its row is not ours to see, and the client may ask again."""
    first, second = request(key="k", fingerprint=HASH), request(key="k", fingerprint=HASH)
    async with database.transaction() as other:
        await analyses.accept(other, [first])
        ours = asyncio.create_task(analyses.accept(database.pool, [second]))
        await blocked(database.pool)
    assert [answer.outcome for answer in await ours] == [Acceptance.CONFLICT]
    assert await outcomes(database.pool, second) == ["replayed"]


async def test_one_key_from_many_sides_is_accepted_once(db: Pool) -> None:
    answers = await asyncio.gather(*(outcomes(db, request(key="k", fingerprint=HASH)) for _ in range(10)))
    flat = [answer for [answer] in answers]
    assert flat.count("accepted") == 1
    assert set(flat) <= {"accepted", "replayed", "conflict"}
    assert await db.fetchval("select count(*) from media_analysis_requests") == 1


async def test_batches_that_share_keys_do_not_deadlock(db: Pool) -> None:
    keys = [f"k{number}" for number in range(20)]

    def batch(order: list[str]) -> list[analyses.NewAnalysis]:
        return [request(key=key, fingerprint=HASH) for key in order]

    await asyncio.gather(*(analyses.accept(db, batch(keys[:: 1 if even else -1])) for even in (0, 1) * 5))
    assert await db.fetchval("select count(*) from media_analysis_requests") == 20


async def test_poisoned_request_fails_alone(db: Pool) -> None:
    batch = Batch[analyses.NewAnalysis, analyses.Accepted](lambda items: analyses.accept(db, items))
    requests = [request(), request(prompt=""), request(prompt="NUL \0"), request()]
    first, empty, nul, last = await asyncio.gather(*map(batch.add, requests), return_exceptions=True)
    assert isinstance(empty, StoreError)
    assert isinstance(nul, StoreError)
    assert not empty.retryable
    assert not nul.retryable
    assert isinstance(first, analyses.Accepted)
    assert isinstance(last, analyses.Accepted)
    assert await db.fetchval("select count(*) from processing_jobs") == 2


@pytest.mark.parametrize("idle", [True, False])
async def test_only_idle_workers_are_woken(database: Database, idle: bool) -> None:
    await database.pool.execute(
        "insert into workers (host, pid, version, kinds, slots, idle) values ('h', 1, '1', '{analyze}', 4, $1)", idle
    )
    async with await Signals.open(database) as signals:
        heard = asyncio.Queue[str]()
        signals.subscribe(JOBS, heard.put_nowait)
        await analyses.accept(database.pool, [request(), request()])
        await database.pool.execute("select pg_notify($1, 'end')", JOBS)
        assert await heard.get() == ("" if idle else "end")


def test_request_keeps_what_the_statement_reads() -> None:
    """The statement names its columns; a field that it does not read would be lost without a word."""
    text = statements.load("analyses").accept
    assert [field for field in msgspec.structs.fields(analyses.NewAnalysis) if field.name not in text] == []
