"""The schema: `migrations/*.sql`, each with its `.rollback.sql`, applied by yoyo in the order of their names.

Every change runs under one advisory lock of the database, so any number of processes may start at once: one works, the
others wait and find nothing left to do. The lock falls with its connection; a killed process leaves nothing behind
(yoyo's own lock is a row that would stay). Blocking functions: from a coroutine, call them by `asyncio.to_thread`.
A migration that was applied is never edited: its checksum is kept, and a database that has it in another form is
refused at the start, instead of failing at the first statement that expects the new one.
All raise StoreError where the database is away or refuses, ConfigurationError where the installation is incomplete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import yoyo
from yoyo.migrations import MigrationList

from mediaanalysis import resources
from mediaanalysis.errors import ConfigurationError, StoreError

_LOCK_KEY = 0x6D65646961  # "media"
_MAY_GRANT = """
    select (select rolsuper or rolcreaterole from pg_roles where rolname = current_user)
        or (select count(*) = 2 from pg_roles where rolname in ('mediaanalysis_service', 'mediaanalysis_reader'))
"""


def apply(dsn: str) -> list[str]:
    """Bring the schema up to date, and what the service's own role may do. Names of the migrations that were applied,
    in order."""
    with _locked(dsn) as backend:
        _require_unchanged(dsn)
        missing = backend.to_apply(_migrations())
        backend.apply_migrations(missing)
        names = [migration.id for migration in missing]
        _keep_checksums(dsn, names)
        _grant(dsn)
        return names


def rollback(dsn: str, count: int | None = 1) -> list[str]:
    """Undo the latest `count` migrations, None for all. Names of the migrations that were undone, in order."""
    with _locked(dsn) as backend:
        undone = MigrationList(list(backend.to_rollback(_migrations()))[:count])
        backend.rollback_migrations(undone)
        return [migration.id for migration in undone]


def pending(dsn: str) -> list[str]:
    """Names of the migrations that the database lacks. Reads only."""
    names = [migration.id for migration in _migrations()]
    with _connection(dsn) as connection:
        known = connection.execute("select to_regclass('_yoyo_migration') is not null").fetchone()
        if known == (False,):
            return names
        applied = {name for (name,) in connection.execute("select migration_id from _yoyo_migration")}
    return [name for name in names if name not in applied]


def require(dsn: str) -> None:
    """Raise ConfigurationError where the database lacks a migration, or has it in another form."""
    _require_unchanged(dsn)
    if missing := pending(dsn):
        raise ConfigurationError(
            f"the database lacks the {'migration' if len(missing) == 1 else 'migrations'} {', '.join(missing)}: "
            "run `make migrate`, or start with `serve --migrate`"
        )


def changed(dsn: str) -> list[str]:
    """Names of the migrations that the database has in another form than this program. Reads only."""
    with _connection(dsn) as connection:
        known = connection.execute("select to_regclass('_yoyo_checksum') is not null").fetchone()
        if known == (False,):
            return []
        applied = connection.execute(
            "select migration_id, checksum from _yoyo_checksum join _yoyo_migration using (migration_id) order by 1"
        ).fetchall()
    ours = _checksums()
    return [name for name, checksum in applied if ours.get(name, checksum) != checksum]


def _require_unchanged(dsn: str) -> None:
    if names := changed(dsn):
        raise ConfigurationError(
            f"the database has {', '.join(names)} in another form than this program: use the program that made it, or "
            "a new database (the embedded one is made anew where DATA_DIR/postgresql is moved away)"
        )


def _keep_checksums(dsn: str, names: list[str]) -> None:
    ours = _checksums()
    with _connection(dsn) as connection:
        connection.execute("create table if not exists _yoyo_checksum (migration_id text primary key, checksum text)")
        connection.cursor().executemany(
            "insert into _yoyo_checksum values (%s, %s)"
            " on conflict (migration_id) do update set checksum = excluded.checksum",
            [(name, ours[name]) for name in names],
        )


def _grant(dsn: str) -> None:
    """Run `deploy/grants.sql`, unless its roles are missing and we may not make them: then the owner serves."""
    script = (resources.folder("deploy") / "grants.sql").read_text(encoding="utf-8")
    with _connection(dsn) as connection:
        if connection.execute(_MAY_GRANT).fetchone() == (True,):
            connection.execute(script.encode())


def _checksums() -> Mapping[str, str]:
    return {path.stem: _checksum(path) for path in resources.folder("migrations").glob("*.sql")}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _migrations() -> MigrationList:
    """Never empty: yoyo takes a wrong folder for one without work, and an empty database would look up to date."""
    folder = resources.folder("migrations")
    found = yoyo.read_migrations(str(folder))
    if not found:
        raise ConfigurationError("the installation lacks its migrations: install mediaanalysis again")
    return found


@contextmanager
def _locked(dsn: str) -> Iterator[Any]:
    """yoyo's backend, while we alone change the schema."""
    with _connection(dsn) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK_KEY])
        with yoyo.get_backend(f"postgresql+psycopg://{dsn.partition('://')[2]}") as backend:
            yield backend


@contextmanager
def _connection(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            yield connection
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise StoreError(f"the database cannot be reached: start it, or correct DATABASE_URL ({reason})") from error
    except psycopg.errors.InsufficientPrivilege as error:
        reason = str(error).strip().splitlines()[0]
        raise StoreError(
            f"only the owner of the database may do this: use the owner's DATABASE_URL ({reason})"
        ) from error
    except psycopg.Error as error:
        raise StoreError(f"the database refuses: {str(error).strip().splitlines()[0]}") from error
