"""`sql/schedules.sql`: work that comes by the clock, without a leader."""

from __future__ import annotations

from msgspec import Struct

from mediaanalysis.store import statements
from mediaanalysis.store.pool import Db

_SQL = statements.load("schedules")


class Schedule(Struct, frozen=True):
    """A job of this kind every so many seconds, once in the whole fleet."""

    name: str
    kind: str
    every_seconds: float
    timeout_seconds: int = 600
    payload: dict[str, object] = {}


async def fire(db: Db, schedule: Schedule) -> bool:
    """Enqueue the job of the current slot. False: it was done before, or the one before still waits."""
    about = (schedule.name, schedule.every_seconds, schedule.kind, schedule.timeout_seconds, schedule.payload)
    return await db.fetchval(_SQL.fire, *about) is not None
