"""`sql/workers.sql`: who claims jobs, and who is still alive."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from msgspec import Struct, convert

import mediaanalysis
from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("workers")


class Held(Struct, frozen=True):
    """A running job of ours, as the database sees it."""

    id: int
    fence: int
    kind: str
    cancelled: bool
    overdue: bool


class Beat(Struct, frozen=True):
    """The answer to a beat. `abandoned`: there are jobs to rescue."""

    draining: bool
    abandoned: bool
    held: list[Held]


async def register(db: Db, kinds: Sequence[str], slots: int, lease_seconds: float) -> int:
    """Number of a new worker: this process."""
    about = (socket.gethostname(), os.getpid(), mediaanalysis.__version__, kinds, slots, lease_seconds)
    return int(await db.fetchval(_SQL.register, *about))


async def hold_lock(db: Db, worker_id: int) -> None:
    """`db` must be a connection that lives as long as the worker does: its end is the sign that the worker is gone."""
    await db.fetchval(_SQL.hold_lock, worker_id)


async def beat(db: Db, worker_id: int) -> Beat | None:
    """Be seen, and bury the dead. None: we were declared dead; all our jobs are lost."""
    row = await db.fetchrow(_SQL.beat, worker_id)
    return convert(dict(row), Beat) if row else None


async def drain(db: Db, worker_id: int) -> None:
    await db.execute(_SQL.drain, worker_id)


async def remove(db: Db, worker_id: int) -> None:
    await db.execute(_SQL.remove, worker_id)
