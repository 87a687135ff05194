"""What the service's role may do is what its statements need: no less, and no more. deploy/grants.sql, against sql/."""

from __future__ import annotations

import re

import psycopg
import pytest

from mediaanalysis import resources
from mediaanalysis.errors import StoreError
from mediaanalysis.store import statements
from mediaanalysis.store.pool import Pool
from mediaanalysis.store.statements import Statement
from tests.databases import SERVICE, own_database

BY_HAND = {"api_keys.add", "api_keys.revoke", "audit.list_record"}
"""Not of the service: its owner makes and revokes keys, and reads the log."""

BLOCKS = {
    f"{path.stem}.{name}": block
    for path in sorted(resources.folder("sql").glob("*.sql"))
    for name, block in statements.load(path.stem).blocks.items()
}
GRANTED = """
    select relname::text as name, lower(privilege) as privilege
      from pg_class
     cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as privilege
     where relnamespace in ('public'::regnamespace, 'ops'::regnamespace) and relkind in ('r', 'v', 'm', 'p', 'S')
       and relname !~ 'yoyo'
       and (has_table_privilege($1, oid, privilege)
            or privilege in ('INSERT', 'UPDATE') and has_any_column_privilege($1, oid, privilege))
"""
CALLABLE = """
    select string_agg(prosrc, ';') from pg_proc
     where pronamespace in ('public'::regnamespace, 'ops'::regnamespace) and not prosecdef
       and has_schema_privilege($1, pronamespace, 'USAGE') and has_function_privilege($1, oid, 'EXECUTE')
"""
USES = {
    "select": r"\b{}\b",
    "insert": r"\binsert\s+into\s+{}\b",
    "update": r"\bupdate\s+{0}\b|\binto\s+{0}\b[^;]*\bdo\s+update\b|\b{0}\b[^;]*\bfor\s+(no\s+key\s+)?update\b",
    "delete": r"\bdelete\s+from\s+{}\b",
}
CHANGES = r"\b(?:insert\s+into|update|delete\s+from)\s+(?:ops\.|public\.)?(\w+)"


async def _explain(db: Pool, block: Statement) -> None:
    """Planned and opened, which asks for every right that the statement itself needs; not run."""
    async with db.acquire() as connection:
        types = ", ".join(parameter.type for parameter in block.parameters)
        asked = re.sub(r"^explain \([^)]*\)", "", block.sql, flags=re.MULTILINE)  # one asks for a plan itself
        await connection.execute(f"prepare asked {f'({types})' if types else ''} as {asked}")
        nothing = ", ".join("null" for _ in block.parameters)
        try:
            await connection.execute(f"explain execute asked {f'({nothing})' if nothing else ''}")
        finally:
            await connection.execute("deallocate asked")


@pytest.mark.parametrize("name", [name for name in BLOCKS if name not in BY_HAND])
async def test_the_service_may_run_every_statement(db: Pool, name: str) -> None:
    await _explain(db, BLOCKS[name])


@pytest.mark.parametrize("name", sorted(BY_HAND))
async def test_and_none_that_is_its_owner_s(db: Pool, name: str) -> None:
    with pytest.raises(StoreError, match="42501"):
        await _explain(db, BLOCKS[name])


async def test_it_may_no_more_than_some_statement_does(operator: Pool) -> None:
    text = ";".join(block.sql for name, block in BLOCKS.items() if name not in BY_HAND)
    text += ";" + await operator.fetchval(CALLABLE, SERVICE)
    granted = [tuple(row) for row in await operator.fetch(GRANTED, SERVICE)]
    assert len({name for name, _ in granted}) > 15
    idle = [(name, what) for name, what in granted if what not in USES or not re.search(USES[what].format(name), text)]
    assert idle == []


async def test_it_calls_no_function_that_acts_for_operators(operator: Pool) -> None:
    may = await operator.fetch(
        "select proname, prosrc from pg_proc"
        " where pronamespace = 'ops'::regnamespace and has_function_privilege($1, oid, 'EXECUTE')",
        SERVICE,
    )
    assert {row["proname"] for row in may} == {"place", "typical_seconds"}
    assert not any(re.search(CHANGES, row["prosrc"]) for row in may)


async def test_what_runs_with_its_owner_s_rights_is_closed(operator: Pool) -> None:
    """Such functions look up no name that somebody else could take, and not everybody may call them."""
    found = await operator.fetch("""
        select proname::text as name, proconfig, has_function_privilege('public', oid, 'EXECUTE') as open
          from pg_proc where prosecdef and pronamespace in ('public'::regnamespace, 'ops'::regnamespace)
    """)
    assert {row["name"] for row in found} == {"audit_changes", "server_since"}
    for row in found:
        assert row["proconfig"] == ["search_path=pg_catalog, pg_temp"]
        assert not row["open"]


async def test_those_who_look_see_the_views_and_the_log_and_change_nothing(operator: Pool) -> None:
    async with operator.transaction() as connection:
        views = await connection.fetch("select viewname::text from pg_views where schemaname = 'ops'")
        await connection.execute("set local role mediaanalysis_reader")
        for view in views:
            await connection.fetch(f"select * from ops.{view['viewname']}")
        await connection.fetch("select * from audit_log, ops.why(gen_random_uuid())")
    granted = {row["privilege"] for row in await operator.fetch(GRANTED, "mediaanalysis_reader")}
    assert granted == {"select"}
    secret = "select has_any_column_privilege('mediaanalysis_reader', $1, 'SELECT')"
    assert [await operator.fetchval(secret, name) for name in ("api_keys", "link_secrets")] == [False, False]


def test_what_is_granted_no_longer_is_taken_back(server: str) -> None:
    """The script does the same again and again, and leaves nothing of what somebody added."""
    script = (resources.folder("deploy") / "grants.sql").read_text().encode()
    acl = "select relname, relacl::text from pg_class where relacl::text ~ 'mediaanalysis_' order by relname"
    with own_database(server, "grants") as dsn, psycopg.connect(dsn.replace(SERVICE, "postgres")) as connection:
        before = connection.execute(acl).fetchall()
        connection.execute(
            f"grant all on audit_log, api_keys to {SERVICE}; grant update (name) on api_keys to {SERVICE}"
        )
        assert connection.execute(acl).fetchall() != before
        for _ in range(2):
            connection.execute(script)
            assert connection.execute(acl).fetchall() == before
