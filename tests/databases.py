"""Databases of a test's own, for what runs beside the tests and must not be emptied under its feet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from mediaanalysis import migrate

SERVICE = "mediaanalysis_service"


def as_service(dsn: str) -> str:
    """The same database for the role that the service runs as."""
    return dsn.replace("postgresql://postgres@", f"postgresql://{SERVICE}@")


@contextmanager
def own_database(server: str, name: str, *, migrated: bool = True) -> Iterator[str]:
    """The service's DSN of a new database on the session's server; dropped afterwards, whoever is still connected.

    Without migrating: its owner's.
    """
    name = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    dsn = server.replace("/mediaanalysis?", f"/{name}?")
    with psycopg.connect(server.replace("/mediaanalysis?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
        if migrated:
            migrate.apply(dsn)
        yield as_service(dsn) if migrated else dsn
        connection.execute(f"drop database {name} with (force)")
