"""The schema: up, down and up again, by many at once, and nothing left unsaid in it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from mediaanalysis import migrate, resources
from mediaanalysis.errors import ConfigurationError, StoreError
from mediaanalysis.store import embedded
from mediaanalysis.store.pool import Pool
from tests.databases import as_service, own_database

NAMES = sorted(path.stem for path in resources.folder("migrations").glob("*.sql") if not path.match("*.rollback.sql"))


@pytest.fixture
def empty_dsn(server: str) -> Iterator[str]:
    """A database without a schema."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(server.replace("/mediaanalysis?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0 strategy file_copy")
        yield server.replace("/mediaanalysis?", f"/{name}?")
        connection.execute(f"drop database {name} with (force)")


def dump(dsn: str) -> str:
    command = [embedded.program("pg_dump"), "--schema-only", "--restrict-key=same", "--exclude-table=*yoyo*", dsn]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_up_down_and_up_again_leaves_the_same(empty_dsn: str) -> None:
    empty = dump(empty_dsn)
    assert migrate.pending(empty_dsn) == NAMES
    assert migrate.apply(empty_dsn) == NAMES
    assert migrate.pending(empty_dsn) == []
    assert migrate.apply(empty_dsn) == []
    whole = dump(empty_dsn)
    assert migrate.rollback(empty_dsn) == NAMES[-1:]
    assert migrate.pending(empty_dsn) == NAMES[-1:]
    assert migrate.rollback(empty_dsn, None) == NAMES[-2::-1]
    assert dump(empty_dsn) == empty
    assert migrate.apply(empty_dsn) == NAMES
    assert dump(empty_dsn) == whole


def test_ten_processes_migrate_at_once(empty_dsn: str) -> None:
    program = "import sys; from mediaanalysis import migrate; print(len(migrate.apply(sys.argv[1])))"
    processes = [
        subprocess.Popen([sys.executable, "-c", program, empty_dsn], stdout=subprocess.PIPE, text=True)
        for _ in range(10)
    ]
    applied = sorted(int(process.communicate(timeout=60)[0]) for process in processes)
    assert [process.returncode for process in processes] == [0] * 10
    assert applied == [0] * 9 + [len(NAMES)]


def test_only_the_owner_migrates(dsn: str) -> None:
    migrate.require(dsn)
    with pytest.raises(StoreError, match="owner's DATABASE_URL"):
        migrate.apply(dsn)


@pytest.mark.usefixtures("process_dsn")  # whose migration made them
def test_an_owner_who_may_make_no_roles_migrates_all_the_same(server: str) -> None:
    """The roles are granted what they need where they are there; here they are."""
    with own_database(server, "lender", migrated=False) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f"create role {name} login; alter database {name} owner to {name}")
        try:
            assert migrate.apply(dsn.replace("postgres@", f"{name}@")) == NAMES
            migrate.require(as_service(dsn))
        finally:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"alter database {name} owner to postgres; reassign owned by {name} to postgres")
                connection.execute(f"drop owned by {name}; drop role {name}")


def test_no_migrations_is_an_error(empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "folder", lambda _name: tmp_path)
    for change in (migrate.apply, migrate.rollback, migrate.pending):
        with pytest.raises(ConfigurationError):
            change(empty_dsn)


def test_an_edited_migration_is_noticed(empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = resources.folder
    copy = shutil.copytree(folder("migrations"), tmp_path / "migrations")
    monkeypatch.setattr(resources, "folder", lambda name: copy if name == "migrations" else folder(name))
    migrate.apply(empty_dsn)
    assert migrate.changed(empty_dsn) == []
    with (copy / f"{NAMES[2]}.sql").open("a") as edited:
        edited.write("\n-- one more word")
    assert migrate.changed(empty_dsn) == [NAMES[2]]
    for refused in (migrate.apply, migrate.require):
        with pytest.raises(ConfigurationError, match=NAMES[2]):
            refused(empty_dsn)
    migrate.rollback(empty_dsn, None)
    migrate.apply(empty_dsn)
    migrate.require(empty_dsn)


async def test_missing_database_is_one_line(server: str) -> None:
    with pytest.raises(StoreError) as caught:
        await asyncio.to_thread(migrate.pending, server.replace("/mediaanalysis?", "/missing?"))
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("name", NAMES)
def test_every_migration_has_its_rollback(name: str) -> None:
    assert (resources.folder("migrations") / f"{name}.rollback.sql").read_text()


async def test_everything_is_commented(db: Pool) -> None:
    """Tables, columns, types, functions and indexes; what PostgreSQL makes for a constraint needs no words."""
    silent = await db.fetch("""
        select c.oid::regclass::text as name from pg_class c
         where c.relnamespace in ('public'::regnamespace, to_regnamespace('ops')) and c.relkind in ('r', 'v', 'i')
           and c.relname !~ 'yoyo' and obj_description(c.oid, 'pg_class') is null
           and not exists (select from pg_constraint where conindid = c.oid)
        union all
        select attrelid::regclass || '.' || attname from pg_attribute join pg_class c on c.oid = attrelid
         where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname !~ 'yoyo'
           and attnum > 0 and not attisdropped and col_description(attrelid, attnum) is null
        union all
        select t.oid::regtype::text from pg_type t
         where t.typnamespace = 'public'::regnamespace and t.typtype = 'e' and obj_description(t.oid, 'pg_type') is null
        union all
        select p.oid::regprocedure::text from pg_proc p
         where p.pronamespace in ('public'::regnamespace, to_regnamespace('ops'))
           and obj_description(p.oid, 'pg_proc') is null
    """)
    assert [record["name"] for record in silent] == []
