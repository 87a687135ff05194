"""The pool: values, faults, healing."""

from __future__ import annotations

import asyncpg
import psycopg
import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.settings import Settings
from mediaanalysis.store.pool import Database, Pool
from tests.databases import own_database


async def test_jsonb_is_python_values(db: Pool) -> None:
    value = {"text": "naïve ☃", "list": [1, 2.5, None, True]}
    assert await db.fetchval("select $1::jsonb", value) == value
    assert await db.fetchval("select $1::jsonb[]", [value]) == [value]


async def test_refused_statement_is_not_retryable_and_keeps_its_cause(db: Pool) -> None:
    with pytest.raises(StoreError) as caught:
        await db.execute("select 1 / $1::int", 0)
    assert not caught.value.retryable
    assert isinstance(caught.value.__cause__, asyncpg.DivisionByZeroError)


async def test_terminated_connection_is_retryable_and_replaced(database: Database) -> None:
    with pytest.raises(StoreError) as caught:
        await database.pool.execute("select pg_terminate_backend(pg_backend_pid())")
    assert caught.value.retryable
    assert await database.pool.fetchval("select 1") == 1


async def test_read_only_connection_is_given_up(database: Database) -> None:
    """After a failover the old primary answers, but refuses to write."""
    async with database.pool.acquire() as connection:
        await connection.execute("set default_transaction_read_only = on")
        pid = await connection.fetchval("select pg_backend_pid()")
        with pytest.raises(StoreError) as caught:
            await connection.execute("create table never (id int)")
    assert caught.value.retryable
    assert await database.pool.fetchval("select pg_backend_pid()") != pid
    assert await database.pool.fetchval("show transaction_read_only") == "off"


async def test_transaction_rolls_back_what_raises(database: Database) -> None:
    async def change_mind() -> None:
        async with database.transaction() as connection:
            await connection.execute("insert into lanes (scope, name) values ('kind', 'x')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_mind()
    assert await database.pool.fetchval("select count(*) from lanes") == 0


async def test_full_pool_says_so(dsn: str) -> None:
    settings = Settings(pool_min=1, pool_max=1, pool_acquire_seconds=0.01)
    async with await Database.open(settings, dsn) as small, small.pool.acquire():
        with pytest.raises(StoreError) as caught:
            await small.pool.fetchval("select 1")
    assert caught.value.code == "database_unavailable"


async def test_missing_database_is_one_line(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mediaanalysis.store.pool._FIRST_PAUSE_SECONDS", 0.001)
    with pytest.raises(StoreError) as caught:
        await Database.open(Settings(), dsn.replace("/test_", "/missing_"))
    assert "\n" not in caught.value.detail


REFUSALS = {
    "55000": ("alter database {name} allow_connections false", "alter database {name} allow_connections true"),
    "42501": ("revoke connect on database {name} from public", "grant connect on database {name} to public"),
}
END_ALL = "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s"


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_database_that_lets_nobody_in_is_away(server: str, code: str) -> None:
    with own_database(server, "closed") as dsn, psycopg.connect(server, autocommit=True) as elsewhere:
        async with await Database.open(Settings(pool_min=1, pool_max=1), dsn) as database:
            name = await database.pool.fetchval("select current_database()")
            shut, opened = (statement.format(name=name) for statement in REFUSALS[code])
            elsewhere.execute(shut)
            elsewhere.execute(END_ALL, [name])
            for _ in range(2):
                with pytest.raises(StoreError) as caught:
                    await database.pool.fetchval("select 1")
                assert (caught.value.code, caught.value.is_away) == ("database_unavailable", True)
            assert code in caught.value.detail
            with pytest.raises(StoreError, match=code):
                await database.connect()
            elsewhere.execute(opened)
            assert await database.pool.fetchval("select 1") == 1
