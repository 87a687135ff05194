"""How the database is: counted from faults, with a clock of our own; and with a wire that is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
import pytest_asyncio

from mediaanalysis.errors import StoreError
from mediaanalysis.settings import Settings
from mediaanalysis.store.embedded import _SOCKET
from mediaanalysis.store.faults import translation
from mediaanalysis.store.health import SETTLED_SECONDS, SILENT_SECONDS, DatabaseHealth, Health
from mediaanalysis.store.pool import Database
from mediaanalysis.store.signals import Signals
from tests.worker.conftest import eventually
from tests.worker.proxy import Proxy


@dataclass
class Clock:
    now: float = 1000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> DatabaseHealth:
    return DatabaseHealth(clock)


def fault(cause: BaseException) -> StoreError:
    """As the pool raises it."""
    error = translation(cause)
    error.__cause__ = cause
    return error


AWAY = [
    ConnectionRefusedError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.AdminShutdownError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.ReadOnlySQLTransactionError(),
    asyncpg.InterfaceError("connection is closed"),
    TimeoutError(),
]
THERE = [
    asyncpg.DeadlockDetectedError(),
    asyncpg.SerializationError(),
    asyncpg.UniqueViolationError(),
    asyncpg.QueryCanceledError(),
]


def fail(health: DatabaseHealth, times: int, cause: BaseException | None = None) -> None:
    for _ in range(times):
        health.failed(health.ask(), fault(cause or ConnectionRefusedError()))


@pytest.mark.parametrize("cause", AWAY, ids=lambda cause: type(cause).__name__)
def test_five_that_find_nobody_put_it_offline(health: DatabaseHealth, cause: Exception) -> None:
    assert (health.state, health.trouble) == (Health.AVAILABLE, "")
    fail(health, 4, cause)
    assert health.state is Health.DEGRADED
    fail(health, 1, cause)
    assert health.state is Health.OFFLINE
    for refuse in (health.ask, health.require):
        with pytest.raises(StoreError) as refused:
            refuse()
        assert (refused.value.code, refused.value.is_away) == ("database_unavailable", True)
        assert refused.value.retry_after_seconds == 5


@pytest.mark.parametrize("cause", THERE, ids=lambda cause: type(cause).__name__)
def test_a_statement_that_was_refused_was_answered(health: DatabaseHealth, cause: Exception) -> None:
    fail(health, 20, cause)
    assert health.state is Health.AVAILABLE
    fail(health, 4)
    fail(health, 1, cause)
    fail(health, 4)
    assert health.state is Health.DEGRADED


def test_a_busy_pool_says_nothing(health: DatabaseHealth) -> None:
    for _ in range(20):
        health.failed(health.ask(), StoreError("no database connection became free in 30 s"))
        health.given_up(health.ask(), SILENT_SECONDS - 1)
    assert health.state is Health.AVAILABLE


def test_silence_counts_when_it_is_given_up(health: DatabaseHealth) -> None:
    for _ in range(5):
        health.given_up(health.ask(), SILENT_SECONDS)
    assert health.state is Health.OFFLINE


def test_it_is_well_again_after_an_answer_and_some_time_without_a_fault(health: DatabaseHealth, clock: Clock) -> None:
    fail(health, 1)
    clock.now += SETTLED_SECONDS
    assert health.state is Health.DEGRADED
    health.answered(health.ask())
    assert health.state is Health.AVAILABLE


def test_three_trials_after_thirty_seconds_or_at_once_when_it_is_seen(health: DatabaseHealth, clock: Clock) -> None:
    for is_seen in (False, True):
        fail(health, 5)
        clock.now += 0 if is_seen else 30
        if is_seen:
            health.restored()
        trials = [health.ask() for _ in range(3)]
        assert health.state is Health.DEGRADED
        with pytest.raises(StoreError):
            health.ask()
        for trial in trials:
            health.answered(trial)
        clock.now += SETTLED_SECONDS
        assert health.state is Health.AVAILABLE


def test_a_failed_trial_puts_it_offline_again(health: DatabaseHealth) -> None:
    fail(health, 5)
    health.restored()
    fail(health, 1)
    assert health.state is Health.OFFLINE


def test_what_was_asked_before_it_went_tells_nothing_about_now(health: DatabaseHealth, clock: Clock) -> None:
    late = [health.ask() for _ in range(4)]
    fail(health, 5)
    clock.now += 30
    trials = [health.ask() for _ in range(3)]
    health.failed(late[0], fault(ConnectionResetError()))
    health.given_up(late[1], 60)
    health.answered(late[2])
    for trial in trials:
        health.answered(trial)
    health.failed(late[3], fault(ConnectionResetError()))
    clock.now += SETTLED_SECONDS
    assert health.state is Health.AVAILABLE


def test_no_writes_and_no_ear_are_less_than_well(health: DatabaseHealth, clock: Clock) -> None:
    fail(health, 1, asyncpg.ReadOnlySQLTransactionError())
    health.answered(health.ask())
    clock.now += SETTLED_SECONDS
    assert health.trouble == "it takes no writes"
    health.restored()
    assert health.state is Health.AVAILABLE
    health.hears(False)
    assert health.state is Health.DEGRADED
    health.hears(True)
    assert health.state is Health.AVAILABLE


def test_each_change_is_said_once(health: DatabaseHealth, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []

    class Ear:
        def info(self, event: str, **fields: str) -> None:
            said.append((event, fields["state"]))

        warning = info

    monkeypatch.setattr("mediaanalysis.store.health._log", Ear())
    fail(health, 5)
    for _ in range(3):
        health.answered(0)
        assert health.state is Health.OFFLINE
    health.restored()
    for trial in [health.ask() for _ in range(3)]:
        health.answered(trial)
    clock.now += SETTLED_SECONDS
    health.answered(health.ask())
    assert said == [("database_health", state) for state in ("degraded", "offline", "degraded", "available")]


@pytest_asyncio.fixture
async def wire(process_dsn: str) -> AsyncIterator[Proxy]:
    async with Proxy(Path(parse_qs(urlsplit(process_dsn).query)["host"][0]) / _SOCKET) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def wired(wire: Proxy, process_dsn: str) -> AsyncIterator[Database]:
    dsn = f"postgresql://postgres@127.0.0.1:{wire.port}/{urlsplit(process_dsn).path[1:]}"
    async with await Database.open(Settings(pool_min=1, pool_max=3, pool_acquire_seconds=1), dsn) as database:
        yield database


async def test_a_cut_is_noticed_and_the_way_back_found_by_itself(wire: Proxy, wired: Database) -> None:
    async with await Signals.open(wired) as signals:
        wire.cut()
        await eventually(lambda: wired.health.state is Health.OFFLINE)
        with pytest.raises(StoreError) as refused:
            await wired.pool.fetchval("select 1")
        assert refused.value.retry_after_seconds
        with pytest.raises(StoreError):
            async with wired.transaction():
                pass
        wire.restore()
        await eventually(lambda: signals.alive and wired.health.state is not Health.OFFLINE)
        await eventually(lambda: wired.health.trouble == "statements failed a moment ago")
        assert await wired.pool.fetchval("select 1") == 1


async def test_connections_that_are_silent_are_given_up_for_new_ones(wire: Proxy, wired: Database) -> None:
    """Only a trial on a new connection tells whether the database is back."""
    held = [asyncio.create_task(wired.pool.fetchval("select pg_sleep(0)")) for _ in range(3)]
    await asyncio.gather(*held)
    wire.go_silent()
    for _ in range(5):
        wired.health.missed(fault(ConnectionRefusedError()))
    assert wired.health.state is Health.OFFLINE
    await eventually(lambda: wired.health.state is not Health.OFFLINE)
    assert await asyncio.wait_for(wired.pool.fetchval("select 1"), 5) == 1
