"""One embedded PostgreSQL for the whole test session, shared by all its processes; a database for each process.

Tests commit like the program does; afterwards every table is emptied by `delete` (about 0.4 ms; cloning a database
costs 50). What a test needs beyond `dsn` it makes itself.

`dsn`, `database` and `db` are the service's own role, with what deploy/grants.sql allows it. `operator_dsn` and
`operator` are the owner of the database: to do by hand what the service may not, and to look at what it may not see.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from mediaanalysis.settings import Settings
from mediaanalysis.store import embedded
from mediaanalysis.store.pool import Database, Pool
from tests.databases import SERVICE, as_service, create_migrated

EMPTY_ALL_TABLES = """
    select 'set session_replication_role = replica; '
        || string_agg(format('delete from %I.%I', schemaname, tablename), '; ')
        || '; reset session_replication_role'
      from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema') and tablename !~ '^_?yoyo'
"""  # as a replica no trigger fires, so the append-only audit log can be emptied too


@pytest.fixture(scope="session")
def server(testrun_uid: str, gate: Path) -> Iterator[str]:
    """DSN of the session's server, on its database `mediaanalysis`, which stays empty.

    Outside pytest's own folders: they are closed to the user that PostgreSQL runs as where we are root.
    """
    place = Path(tempfile.gettempdir()) / f"mediaanalysis-tests-{testrun_uid}"
    with _alone(gate):
        running = embedded.start(place, durable=False)
        with psycopg.connect(running.dsn, autocommit=True) as connection:
            if not connection.execute("select from pg_roles where rolname = %s", [SERVICE]).fetchall():
                connection.execute(f"create role {SERVICE} login")
    yield running.dsn
    with _alone(gate):  # the last one removes what nobody may be about to join
        if running.stop():
            shutil.rmtree(place)


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the processes of the test session lock when one of them must be alone."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / "gate"


@pytest.fixture(scope="session")
def process_dsn(server: str) -> Iterator[str]:
    """The owner's DSN of this process's own database. Tests take `dsn` or `operator_dsn`, which empty it, too."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with psycopg.connect(server.replace("/mediaanalysis?", "/postgres?"), autocommit=True) as connection:
        create_migrated(connection, server, name)
        yield server.replace("/mediaanalysis?", f"/{name}?")
        connection.execute(f"drop database {name} with (force)")


@contextmanager
def _alone(gate: Path) -> Iterator[None]:
    """One process of the test session at a time."""
    with gate.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest_asyncio.fixture(scope="session")
async def process_operator(process_dsn: str) -> AsyncIterator[Database]:
    async with await Database.open(Settings(pool_min=1, pool_max=4), process_dsn) as database:
        yield database


@pytest_asyncio.fixture(scope="session")
async def process_database(process_dsn: str) -> AsyncIterator[Database]:
    dsn = as_service(process_dsn)
    async with await Database.open(Settings(database_url=dsn, pool_min=1, pool_max=20), dsn) as database:
        yield database


@pytest_asyncio.fixture(scope="session")
async def emptying(process_operator: Database) -> str:
    statement = await process_operator.pool.fetchval(EMPTY_ALL_TABLES)
    assert isinstance(statement, str)
    return statement


@pytest_asyncio.fixture
async def operator_dsn(process_dsn: str, process_operator: Database, emptying: str) -> AsyncIterator[str]:
    """A migrated, empty database, for its owner."""
    yield process_dsn
    await process_operator.pool.execute(emptying)


@pytest.fixture
def operator(operator_dsn: str, process_operator: Database) -> Pool:
    """Its owner's pool: what an operator does in psql."""
    return process_operator.pool


@pytest.fixture
def dsn(operator_dsn: str) -> str:
    """A migrated, empty database, for the service."""
    return as_service(operator_dsn)


@pytest.fixture
def database(dsn: str, process_database: Database) -> Database:
    """The store on a migrated, empty database."""
    return process_database


@pytest.fixture
def db(database: Database) -> Pool:
    """Its pool: what the store's functions take first."""
    return database.pool
