"""The audit log: every change, whoever makes it, by whom and from where; no secret, no chatter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from mediaanalysis.errors import StoreError
from mediaanalysis.store import analyses, api_keys, audit, files, jobs
from mediaanalysis.store.analyses import Author, Outcome, Unwanted
from mediaanalysis.store.api_keys import Grants, NewKey
from mediaanalysis.store.audit import Change
from mediaanalysis.store.pool import Connection, Database, Pool
from mediaanalysis.structs.jobs import Ending
from tests.store.cases import OWNER, accepted, claimed, delete, ended, request

ANN = Author("key:ann", "192.0.2.1")


@pytest_asyncio.fixture
async def psql(operator: Pool) -> AsyncIterator[Connection]:
    """A session of somebody in psql who is not a superuser, rolled back at the end."""
    async with operator.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("create role auditor; grant pg_read_all_data, pg_write_all_data to auditor")
        await connection.execute("set local mediaanalysis.actor = ''; set local session authorization auditor")
        yield connection
        await transaction.rollback()


async def last(db: Any, record_id: UUID) -> Change:
    return (await audit.list_record(db, record_id))[-1]


async def test_update_keeps_what_changed_before_and_after(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    await db.execute("update media_analysis_requests set priority = 9, stage = 'fetch' where id = $1", analysis_id)
    change = await last(operator, analysis_id)
    assert (change.table_name, change.action) == ("media_analysis_requests", "update")
    assert change.old_values == {"priority": 5, "stage": None}
    assert change.new_values == {"priority": 9, "stage": "fetch"}


async def test_update_that_changes_nothing_is_not_a_change(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    await db.execute("update media_analysis_requests set priority = priority")
    assert len(await audit.list_record(operator, analysis_id)) == 1


async def test_progress_is_no_change_but_a_state_is(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    job = await claimed(db, analysis_id)
    for percent in (1, 20, 60):
        assert await analyses.advance(db, analysis_id, job, "frames", percent)
    _, started = await audit.list_record(operator, analysis_id)
    assert started.new_values is not None
    assert (started.new_values["status"], started.performed_by) == ("processing", "mediaanalysis")


async def test_a_row_that_goes_takes_along_what_hangs_on_it_and_all_is_kept(db: Pool, operator: Pool) -> None:
    original = {"filename": "a.txt", "storage_path": "uploads/2026-11-20/x/a.txt", "size_bytes": 1}
    original |= {"mime_type": "text/plain", "checksum": "ab" * 32, "retention_days": 1}
    analysis_id = await accepted(db, media_url=None, original=original)
    [file] = await files.list_all(db, analysis_id)
    await operator.execute("delete from media_analysis_requests")
    for record_id, column, value in ((analysis_id, "prompt", "What is said?"), (file.id, "filename", "a.txt")):
        change = await last(operator, record_id)
        assert change.action == "delete"
        assert change.old_values is not None
        assert change.old_values[column] == value


async def test_actor_and_address_are_those_of_the_transaction(database: Database, operator: Pool) -> None:
    analysis_id = await accepted(database.pool)
    async with database.transaction() as connection:
        await connection.execute("select set_config('mediaanalysis.actor', 'ann', true)")
        await connection.execute("select set_config('mediaanalysis.address', '2001:db8::1', true)")
        await connection.execute("update media_analysis_requests set priority = 1")
    await database.pool.execute("update media_analysis_requests set priority = 2")
    inside, outside = (await audit.list_record(operator, analysis_id))[1:]
    assert (inside.performed_by, inside.ip_address) == ("ann", "2001:db8::1")
    assert (outside.performed_by, outside.ip_address) == ("mediaanalysis", None)


async def test_requests_of_one_statement_keep_their_own_authors(db: Pool, operator: Pool) -> None:
    requests = [request(actor=f"key:{n}", address=f"192.0.2.{n}") for n in range(3)]
    requests += [request(actor="over a socket that has none", address=""), request()]
    await analyses.accept(db, requests)
    authors = [await last(operator, each.id) for each in requests]
    assert [(change.performed_by, change.ip_address) for change in authors] == [
        ("key:0", "192.0.2.0"),
        ("key:1", "192.0.2.1"),
        ("key:2", "192.0.2.2"),
        ("over a socket that has none", None),
        ("mediaanalysis", None),
    ]


async def test_an_upload_is_its_sender_s(db: Pool, operator: Pool) -> None:
    original = {"filename": "a.txt", "storage_path": "uploads/2026-11-20/y/a.txt", "size_bytes": 1}
    original |= {"mime_type": "text/plain", "checksum": "ab" * 32, "retention_days": 1}
    analysis_id = await accepted(db, media_url=None, original=original, actor=ANN.actor, address=ANN.address)
    [file] = await files.list_all(db, analysis_id)
    change = await last(operator, file.id)
    assert (change.performed_by, change.ip_address) == (ANN.actor, ANN.address)


@pytest.mark.parametrize("change", [analyses.cancel, delete, analyses.retry])
async def test_what_a_client_changes_is_the_client_s(db: Pool, operator: Pool, change: Any) -> None:
    analysis_id = await accepted(db)
    if change is analyses.retry:
        await ended(db, analysis_id, "failed")
    await change(db, analysis_id, OWNER, author=ANN)
    seen = await last(operator, analysis_id)
    assert (seen.performed_by, seen.ip_address) == (ANN.actor, ANN.address)


async def test_of_deletions_that_come_together_each_is_signed_by_who_asked(db: Pool, operator: Pool) -> None:
    """Not by one who asked for another's besides: a stranger must not stand in for the owner, nor the reverse."""
    first, second, third = [await accepted(db) for _ in range(3)]
    stranger = Author("key:mallory", "192.0.2.66")
    wanted = [
        Unwanted(first, uuid4(), stranger),
        Unwanted(first, OWNER, ANN),
        Unwanted(second, OWNER, Author("key:bob", "192.0.2.2")),
        Unwanted(second, uuid4(), stranger),
        Unwanted(third, OWNER),
    ]
    outcomes = await analyses.delete(db, wanted)
    assert outcomes == [None, Outcome.DELETED, Outcome.DELETED, None, Outcome.DELETED]
    seen = [await last(operator, each) for each in (first, second, third)]
    assert [(change.performed_by, change.ip_address) for change in seen] == [
        (ANN.actor, ANN.address),
        ("key:bob", "192.0.2.2"),
        ("mediaanalysis", None),
    ]


async def test_a_running_analysis_is_cancelled_by_who_asked_though_the_worker_writes_it(
    db: Pool, operator: Pool
) -> None:
    analysis_id = await accepted(db)
    job = await claimed(db, analysis_id)
    await analyses.cancel(db, analysis_id, OWNER, ANN)
    await analyses.cancel(db, analysis_id, OWNER, Author("key:later", None))
    await jobs.settle(db, [Ending(job.id, job.fence, "release")])
    seen = await last(operator, analysis_id)
    assert seen.new_values is not None
    assert seen.new_values["status"] == "cancelled"
    assert (seen.performed_by, seen.ip_address) == (ANN.actor, ANN.address)


async def test_in_psql_it_is_the_user_who_logged_in_and_all_counts(db: Pool, psql: Connection) -> None:
    analysis_id = await accepted(db)
    await psql.execute("update media_analysis_requests set progress = 7")
    change = await last(psql, analysis_id)
    assert (change.performed_by, change.new_values) == ("auditor", {"progress": 7})


@pytest.mark.parametrize("said", ["cancel", "retry"])
async def test_operators_sign_what_their_functions_do(db: Pool, operator: Pool, said: str) -> None:
    analysis_id = await accepted(db)
    if said == "retry":
        await ended(db, analysis_id, "failed")
    async with operator.transaction() as connection:
        await connection.execute("set local mediaanalysis.actor = ''")
        await connection.fetch(f"select ops.{said}($1)", analysis_id)
    assert (await last(operator, analysis_id)).performed_by == "postgres"


async def test_nobody_s_own_table_stands_in_for_the_log(db: Pool, operator: Pool) -> None:
    analysis_id = await accepted(db)
    async with operator.transaction() as connection:
        await connection.execute("create temporary table audit_log (like public.audit_log) on commit drop")
        await connection.execute("update media_analysis_requests set priority = 1")
        assert await connection.fetchval("select count(*) from pg_temp.audit_log") == 0
    assert (await last(operator, analysis_id)).new_values == {"priority": 1}


@pytest.mark.parametrize(
    "attack",
    [
        "update audit_log set performed_by = 'x'",
        "delete from audit_log",
        "truncate audit_log",
        "truncate media_files cascade",
        "truncate media_analysis_requests cascade",
        "truncate api_keys",
        "update media_files set id = gen_random_uuid()",
        "update media_analysis_requests set id = gen_random_uuid()",
        "update api_keys set id = gen_random_uuid()",
    ],
)
async def test_not_even_its_owner_loses_it_by_mistake(db: Pool, operator: Pool, attack: str) -> None:
    await accepted(db)
    with pytest.raises(StoreError, match="42501"):
        await operator.execute(attack)
    assert await operator.fetchval("select count(*) from audit_log") == 1


async def test_of_a_key_all_is_told_but_its_secret(operator: Pool, db: Pool) -> None:
    grants = Grants(scopes=("read",), submits_per_minute=60)
    new = NewKey(name="ci", owner_id=OWNER, key_hash="ef" * 32, prefix="ma_12", grants=grants)
    key_id = await api_keys.add(operator, new, ANN)
    [found] = await api_keys.list_valid(db)
    assert (found.id, found.owner_id, found.scopes, found.submits_per_minute) == (key_id, OWNER, ("read",), 60)
    await api_keys.note_used(db, [key_id])
    await operator.execute("update api_keys set key_hash = repeat('cd', 32)")
    assert await api_keys.revoke(operator, key_id, author=ANN)
    assert not await api_keys.revoke(operator, key_id)
    assert not await api_keys.revoke(operator, uuid4())
    assert await api_keys.list_valid(db) == []
    assert await api_keys.any_exist(db)
    added, replaced, revoked = await audit.list_record(operator, key_id)
    assert added.new_values is not None
    assert (added.performed_by, added.new_values["name"]) == (ANN.actor, "ci")
    assert replaced.new_values == replaced.old_values == {"key_hash": "***"}
    assert revoked.new_values is not None
    assert (revoked.performed_by, set(revoked.new_values)) == (ANN.actor, {"revoked_at"})
    kept = await operator.fetchval("select string_agg(log::text, '') from audit_log log")
    assert "efef" not in kept
    assert "cdcd" not in kept
