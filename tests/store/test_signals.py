"""Notifications: heard, told apart, and heard again after the connection was lost."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from mediaanalysis.errors import StoreError
from mediaanalysis.store.pool import Connection, Database
from mediaanalysis.store.signals import CHANGED, JOBS, Signals


async def test_listeners_hear_their_channel_until_they_leave(database: Database) -> None:
    async with await Signals.open(database) as signals:
        jobs, changes = asyncio.Queue[str](), asyncio.Queue[str]()
        leave = signals.subscribe(JOBS, jobs.put_nowait)
        signals.subscribe(CHANGED, changes.put_nowait)
        await database.pool.execute("select pg_notify($1, 'a')", CHANGED)
        assert await changes.get() == "a"
        leave()
        await database.pool.execute("select pg_notify($1, 'b'), pg_notify($2, 'c')", JOBS, CHANGED)
        assert await changes.get() == "c"
        assert jobs.empty()


async def test_lost_connection_heals_and_says_so(database: Database) -> None:
    async with await Signals.open(database) as signals:
        pids = asyncio.Queue[int]()

        async def take_lock(connection: Connection) -> None:
            await connection.execute("select pg_advisory_lock(77)")
            pids.put_nowait(await connection.fetchval("select pg_backend_pid()"))

        await signals.on_connect(take_lock)
        first = await pids.get()
        heard = asyncio.Queue[str]()
        signals.subscribe(JOBS, heard.put_nowait)
        await database.pool.execute("select pg_terminate_backend($1)", first)
        assert await pids.get() != first
        assert signals.alive
        await database.pool.execute("select pg_notify($1, 'again')", JOBS)
        assert await heard.get() == "again"


async def test_silent_connection_is_replaced(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen at the other end: it looks alive, and does not answer the probe."""
    monkeypatch.setattr("mediaanalysis.store.signals._PROBE_SECONDS", 0.01)
    monkeypatch.setattr("mediaanalysis.store.signals._PROBE_TIMEOUT_SECONDS", 0.05)
    async with await Signals.open(database) as signals:
        pids = asyncio.Queue[int]()

        async def remember(connection: Connection) -> None:
            pids.put_nowait(await connection.fetchval("select pg_backend_pid()"))

        await signals.on_connect(remember)
        frozen = await pids.get()
        os.kill(frozen, signal.SIGSTOP)
        try:
            assert await pids.get() != frozen
        finally:
            os.kill(frozen, signal.SIGCONT)


async def test_closed_signals_hold_no_connection(database: Database) -> None:
    signals = await Signals.open(database)
    await signals.aclose()
    assert not signals.alive
    with pytest.raises(StoreError):
        _ = signals.connection
