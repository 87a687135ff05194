"""Somebody has got hold of the service's login, and speaks SQL: what was written about the past stays as it is."""

from __future__ import annotations

import asyncpg
import pytest

from mediaanalysis.store.pool import Pool
from tests.store.cases import accepted

REFUSED = asyncpg.InsufficientPrivilegeError

THE_LOG = (
    "select * from audit_log",
    "update audit_log set performed_by = 'somebody else'",
    "delete from audit_log",
    "truncate audit_log",
    "insert into audit_log (table_name, record_id, action, performed_by) select 'x', gen_random_uuid(), 'insert', 'x'",
    "copy audit_log to stdout",
    "copy audit_log from stdin",
    "begin; lock table audit_log in exclusive mode",
    "alter table audit_log rename to forgotten",
    "drop table audit_log",
    "create rule forget as on insert to audit_log do instead nothing",
    "select setval(pg_get_serial_sequence('audit_log', 'id'), 1)",
    "create policy hide on audit_log",
)
ITS_TRIGGERS = (
    "alter table audit_log disable trigger all",
    "drop trigger append_only on audit_log",
    "alter table media_analysis_requests disable trigger audit_update",
    "alter table media_files disable trigger all",
    "drop trigger audit_insert on api_keys",
    "alter function audit_changes() rename to nothing",
    "create or replace function audit_changes() returns trigger language plpgsql as 'begin return null; end'",
    "drop function refuse_change() cascade",
    "set session_replication_role = replica",
    "alter role current_user set session_replication_role = replica",
    "alter database {database} set session_replication_role = replica",
)
WHAT_WOULD_STAND_IN_FOR_IT = (
    "create temporary table audit_log (like media_files)",
    "create table audit_log2 ()",
    "create schema pg_catalog_2",
    "create function pg_temp.now() returns timestamptz language sql as 'select null::timestamptz'",
    "create function public.now() returns timestamptz language sql as 'select null::timestamptz'",
    "create trigger forged after insert on media_files execute function audit_changes()",
    "create view public.mine as select 1",
)
WHAT_LEAVES_NO_TRACE = (
    "update media_files set id = gen_random_uuid(), storage_path = 'elsewhere'",
    "update media_analysis_requests set id = gen_random_uuid()",
    "truncate media_files",
    "truncate media_analysis_requests cascade",
    "delete from media_analysis_requests",
    "delete from media_files",
    "delete from api_keys",
)
MORE_POWER = (
    "insert into api_keys (name, owner_id, key_hash, prefix) values ('x', gen_random_uuid(), repeat('a', 64), 'x')",
    "update api_keys set scopes = '{{read,write,admin}}'",
    "update api_keys set revoked_at = null",
    "update link_secrets set secret = repeat('x', 43)",
    "select ops.set_limit('work', 0)",
    "select ops.cancel(gen_random_uuid())",
    "select * from ops.spend",
    "set role postgres",
    "set session authorization postgres",
    "alter role mediaanalysis_service superuser",
    "grant pg_write_all_data to mediaanalysis_service",
    "grant all on audit_log to mediaanalysis_service",
    "create role another",
    "copy (select 1) to program 'id'",
    "select pg_read_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    "select pg_reload_conf()",
    "update _yoyo_checksum set checksum = ''",
)


@pytest.mark.parametrize(
    "attack", THE_LOG + ITS_TRIGGERS + WHAT_WOULD_STAND_IN_FOR_IT + WHAT_LEAVES_NO_TRACE + MORE_POWER
)
async def test_it_is_refused(dsn: str, operator: Pool, db: Pool, attack: str) -> None:
    await accepted(db)
    before = await operator.fetch("select * from audit_log")
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(REFUSED):
            await connection.execute(attack.format(database=await connection.fetchval("select current_database()")))
    finally:
        await connection.close()
    assert await operator.fetch("select * from audit_log") == before


async def test_the_role_is_no_more_than_it_seems(db: Pool) -> None:
    role = await db.fetchrow("""
        select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as power,
               (select count(*) from pg_auth_members where member = pg_roles.oid) as member_of,
               (select count(*) from pg_class where relowner = pg_roles.oid) as owned,
               has_database_privilege(current_database(), 'TEMP, CREATE') as build,
               has_schema_privilege('public', 'CREATE') or has_schema_privilege('ops', 'CREATE') as build_inside
          from pg_roles where rolname = current_user
    """)
    assert role is not None
    assert tuple(role) == (False, 0, 0, False, False)


async def test_a_change_cannot_be_made_without_a_word(db: Pool, operator: Pool) -> None:
    """It may say that somebody else did it, as it must for its clients; it cannot say nothing."""
    analysis_id = await accepted(db)
    async with db.transaction() as connection:
        await connection.execute("set local search_path = pg_temp; set local mediaanalysis.actor = ''")
        await connection.execute("update public.media_analysis_requests set priority = 0")
    last = "select performed_by, new_values ->> 'priority' from audit_log where record_id = $1 order by id desc limit 1"
    row = await operator.fetchrow(last, analysis_id)
    assert row is not None
    assert tuple(row) == ("mediaanalysis_service", "0")
