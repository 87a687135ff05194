"""The audit log: every change, whoever makes it, and nobody can alter it."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.store import analyses, api_keys, audit
from mediaanalysis.store.api_keys import Grants
from mediaanalysis.store.pool import Database, Pool
from tests.store.cases import OWNER, accepted, request


async def test_update_keeps_what_changed_before_and_after(db: Pool) -> None:
    analysis_id = await accepted(db)
    await db.execute("update media_analysis_requests set priority = 9, stage = 'fetch' where id = $1", analysis_id)
    change = (await audit.list_record(db, analysis_id))[-1]
    assert (change.table_name, change.action) == ("media_analysis_requests", "update")
    assert change.old_values == {"priority": 5, "stage": None}
    assert change.new_values == {"priority": 9, "stage": "fetch"}


async def test_update_that_changes_nothing_is_not_a_change(db: Pool) -> None:
    analysis_id = await accepted(db)
    await db.execute("update media_analysis_requests set priority = priority")
    assert len(await audit.list_record(db, analysis_id)) == 1


async def test_delete_keeps_the_row(db: Pool) -> None:
    analysis_id = await accepted(db)
    await db.execute("delete from media_analysis_requests")
    change = (await audit.list_record(db, analysis_id))[-1]
    assert change.action == "delete"
    assert change.old_values is not None
    assert change.old_values["prompt"] == "What is said?"


async def test_actor_and_address_are_those_of_the_transaction(database: Database) -> None:
    analysis_id = await accepted(database.pool)
    async with database.transaction() as connection:
        await connection.execute("select set_config('mediaanalysis.actor', 'ann', true)")
        await connection.execute("select set_config('mediaanalysis.address', '2001:db8::1', true)")
        await connection.execute("update media_analysis_requests set priority = 1")
    await database.pool.execute("update media_analysis_requests set priority = 2")
    inside, outside = (await audit.list_record(database.pool, analysis_id))[1:]
    assert (inside.performed_by, inside.ip_address) == ("ann", "2001:db8::1")
    assert (outside.performed_by, outside.ip_address) == ("mediaanalysis", None)


async def test_requests_of_one_statement_keep_their_own_authors(db: Pool) -> None:
    requests = [request(actor=f"key:{n}", address=f"192.0.2.{n}") for n in range(3)] + [request()]
    await analyses.accept(db, requests)
    authors = [(await audit.list_record(db, each.id))[0] for each in requests]
    assert [(change.performed_by, change.ip_address) for change in authors] == [
        ("key:0", "192.0.2.0"),
        ("key:1", "192.0.2.1"),
        ("key:2", "192.0.2.2"),
        ("mediaanalysis", None),
    ]


@pytest.mark.parametrize(
    "attack", ["update audit_log set performed_by = 'x'", "delete from audit_log", "truncate audit_log"]
)
async def test_log_is_append_only(db: Pool, attack: str) -> None:
    await accepted(db)
    with pytest.raises(StoreError) as caught:
        await db.execute(attack)
    assert isinstance(caught.value.__cause__, asyncpg.InsufficientPrivilegeError)
    assert await db.fetchval("select count(*) from audit_log") == 1


async def test_key_is_audited_without_its_hash_and_ends_when_revoked(db: Pool) -> None:
    grants = Grants(scopes=("read",), requests_per_minute=60)
    key_id = await api_keys.add(db, "ci", OWNER, "ef" * 32, "ma_12", grants)
    found = await api_keys.find_valid(db, "ef" * 32)
    assert found is not None
    assert (found.id, found.owner_id, found.scopes, found.requests_per_minute) == (key_id, OWNER, ("read",), 60)
    assert [key.name for key in await api_keys.list_all(db)] == ["ci"]
    assert await api_keys.revoke(db, key_id)
    assert not await api_keys.revoke(db, key_id)
    assert await api_keys.find_valid(db, "ef" * 32) is None
    assert not await api_keys.revoke(db, uuid4())
    added, revoked = await audit.list_record(db, key_id)
    assert added.new_values is not None
    assert "key_hash" not in added.new_values
    assert revoked.new_values is not None
    assert set(revoked.new_values) == {"revoked_at"}
