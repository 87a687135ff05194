"""Databases of a test's own, for what runs beside the tests and must not be emptied under its feet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from mediaanalysis import migrate

SERVICE = "mediaanalysis_service"


def as_service(dsn: str) -> str:
    """The same database for the role that the service runs as; where there is a password, it is the same."""
    return dsn.replace("postgresql://postgres", f"postgresql://{SERVICE}")


def as_operator(dsn: str) -> str:
    """The same database for its owner."""
    return dsn.replace(f"postgresql://{SERVICE}", "postgresql://postgres")


@contextmanager
def own_database(server: str, name: str, *, migrated: bool = True) -> Iterator[str]:
    """The service's DSN of a new database on the session's server; dropped afterwards, whoever is still connected.

    Without migrating: its owner's.
    """
    name = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    dsn = server.replace("/mediaanalysis?", f"/{name}?")
    with psycopg.connect(server.replace("/mediaanalysis?", "/postgres?"), autocommit=True) as connection:
        if migrated:
            create_migrated(connection, server, name)
        else:
            connection.execute(f"create database {name} template template0")
        yield as_service(dsn) if migrated else dsn
        connection.execute(f"drop database {name} with (force)")


def create_migrated(connection: psycopg.Connection, server: str, name: str) -> None:
    """Copy the database `migrated`, which the first process of the session makes. `connection` is to `postgres`.

    A copy takes a third of the time of the migrations.
    """
    with _alone(connection):
        if not connection.execute("select from pg_database where datname = 'migrated'").fetchall():
            _make_template(connection, server)
        connection.execute(f"create database {name} template migrated strategy file_copy")
        connection.execute(f"revoke temporary on database {name} from public")  # a copy does not inherit that


def _make_template(connection: psycopg.Connection, server: str) -> None:
    """The database `migrated`, whole or not at all. PostgreSQL copies and renames only what nobody is connected to."""
    connection.execute("drop database if exists migrating")
    connection.execute("create database migrating template template0 strategy file_copy")
    migrate.apply(server.replace("/mediaanalysis?", "/migrating?"))
    connection.execute("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'migrating'")
    connection.execute("alter database migrating rename to migrated")


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    """One process of the test session at a time."""
    connection.execute("select pg_advisory_lock(1)")
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(1)")
