"""Connections to PostgreSQL. Functions of the store take `db`: the pool, or a connection inside a transaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, cast

import asyncpg

from mediaanalysis import log
from mediaanalysis.errors import StoreError
from mediaanalysis.settings import Settings
from mediaanalysis.store.connecting import options, prepare
from mediaanalysis.store.faults import FAULTS, answered_within, connecting, refused_connection, translation
from mediaanalysis.store.health import DatabaseHealth

_CONNECT_RETRIES = 3
_CONNECT_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.5

_LOOK_SECONDS = 0.5
_TRIAL_SECONDS = 3.0
_TRIALS = 3
_RELEASE_SECONDS = 2.0
"""For a statement that was given up to be called back: then its connection leads nowhere, and is closed."""

_log = log.get("store")


class Db(Protocol):
    """What runs a statement. All raise StoreError."""

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]: ...
    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """One connection. Its errors are ours, jsonb is Python values, and read-only (after a failover) is closed."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Nothing: we leave no session state behind, and a reset is a second round trip for every statement."""
        return ""

    async def fetch(self, query: str, *args: Any, **options: Any) -> list[asyncpg.Record]:
        try:
            return cast("list[asyncpg.Record]", await super().fetch(query, *args, **options))
        except FAULTS as error:
            raise self._fault(error) from error

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> asyncpg.Record | None:
        try:
            return await super().fetchrow(query, *args, **options)
        except FAULTS as error:
            raise self._fault(error) from error

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        try:
            return await super().fetchval(query, *args, **options)
        except FAULTS as error:
            raise self._fault(error) from error

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        try:
            return cast("str", await super().execute(query, *args, **options))
        except FAULTS as error:
            raise self._fault(error) from error

    def _fault(self, error: BaseException) -> StoreError:
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self.terminate()
        return translation(error)


class Pool:
    """Runs each statement on a free connection. All raise StoreError, at once while the database is offline."""

    def __init__(self, pool: asyncpg.Pool, acquire_seconds: float, health: DatabaseHealth) -> None:
        self._pool = pool
        self._acquire_seconds = acquire_seconds
        self._health = health

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        return cast("list[asyncpg.Record]", await self._run("fetch", query, args))

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:
        return await self._run("fetchrow", query, args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        return await self._run("fetchval", query, args)

    async def execute(self, query: str, *args: Any) -> str:
        return cast("str", await self._run("execute", query, args))

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection of one's own, for as long as the block lasts."""
        asked = self._health.ask()
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        except StoreError as error:
            self._health.failed(asked, error)
            raise
        except BaseException:
            self._health.given_up(asked)
            raise
        self._health.answered(asked)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        async with self.acquire() as connection:
            try:
                async with connection.transaction():
                    yield connection
            except asyncpg.InterfaceError as error:  # lost meanwhile, so there is nothing to roll back
                raise translation(error) from error

    async def _run(self, verb: str, query: str, args: tuple[Any, ...]) -> Any:
        asked, began = self._health.ask(), monotonic()
        try:
            connection = await self._take()
            try:
                answer = await getattr(connection, verb)(query, *args)
            finally:
                await self._give_back(connection)
        except StoreError as error:
            self._health.failed(asked, error)
            raise
        except BaseException:
            self._health.given_up(asked, monotonic() - began)
            raise
        self._health.answered(asked)
        return answer

    async def _take(self) -> Connection:
        try:
            return cast("Connection", await self._pool.acquire(timeout=self._acquire_seconds))
        except TimeoutError as error:
            if self.size - self.idle_size == self._pool.get_max_size():
                raise StoreError(f"no database connection became free in {self._acquire_seconds:g} s") from None
            raise StoreError("the database is not reachable (no connection in time)", is_away=True) from error
        except FAULTS as error:
            raise refused_connection(error) from error

    async def _give_back(self, connection: Connection) -> None:
        try:
            await self._pool.release(connection, timeout=_RELEASE_SECONDS)
        except FAULTS as error:
            raise translation(error) from error

    @property
    def size(self) -> int:
        return cast("int", self._pool.get_size())

    @property
    def idle_size(self) -> int:
        return cast("int", self._pool.get_idle_size())


class Database:
    """The pool and what keeps it healthy. Made by `open`; leaving its `async with` closes it."""

    def __init__(self, connected: asyncpg.Pool, dsn: str, settings: Settings) -> None:
        self.dsn = dsn
        self.health = DatabaseHealth()
        self.pool = Pool(connected, settings.pool_acquire_seconds, self.health)
        self._asyncpg = connected
        self._settings = settings
        self._chores = [asyncio.create_task(self._renew()), asyncio.create_task(self._mend())]

    @classmethod
    async def open(cls, settings: Settings, dsn: str | None = None) -> Database:
        """Connect, with three more tries. `dsn` stands in for a missing `settings.database_url`."""
        dsn = dsn or settings.database_url or ""
        pause_seconds = _FIRST_PAUSE_SECONDS
        for _ in range(_CONNECT_RETRIES):
            try:
                return cls(await _connected(dsn, settings), dsn, settings)
            except StoreError as error:
                _log.warning("database_connect_failed", error=error.detail, retry_in_seconds=pause_seconds)
            await asyncio.sleep(pause_seconds)
            pause_seconds *= 2
        return cls(await _connected(dsn, settings), dsn, settings)

    async def aclose(self) -> None:
        for chore in self._chores:
            chore.cancel()
        try:
            async with asyncio.timeout(self._settings.pool_acquire_seconds):
                await self._asyncpg.close()
        except (TimeoutError, OSError, asyncpg.PostgresError):
            self._asyncpg.terminate()

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def transaction(self) -> Any:
        """`async with database.transaction() as connection`: see `Pool.transaction`."""
        return self.pool.transaction()

    async def connect(self) -> Connection:
        """A connection beside the pool, to keep: for LISTEN and session locks. The caller closes it.

        An attempt that met the database in the middle of dying may hang: it is soon given up, for the next one."""
        try:
            async with answered_within(min(_CONNECT_SECONDS, self._settings.database_connect_seconds)):
                return await self._connect()
        except StoreError as error:
            self.health.missed(error)
            raise

    async def _connect(self) -> Connection:
        with connecting():
            connection = await asyncpg.connect(self.dsn, **options(Connection, self._settings))
            await prepare(connection)
        return cast("Connection", connection)

    async def _renew(self) -> None:
        """asyncpg bounds how long a connection idles, not how long it lives."""
        while True:
            await asyncio.sleep(self._settings.pool_lifetime_seconds)
            await self._asyncpg.expire_connections()

    async def _mend(self) -> None:
        """While the database is away, look every moment whether it is back: nobody waits for the breaker's time."""
        while True:
            await self.health.ill()
            try:
                await self._try()
            except StoreError:
                pass
            except Exception:  # noqa: BLE001 - whatever it was, look again
                _log.exception("database_trial_failed")
            await asyncio.sleep(_LOOK_SECONDS * random.uniform(0.5, 1))  # noqa: S311

    async def _try(self) -> None:
        """One new connection first: it takes writes. Then the trials, on connections that are new as well."""
        async with answered_within(_TRIAL_SECONDS):
            connection = await self._connect()
        connection.terminate()
        await self._asyncpg.expire_connections()
        self.health.restored()
        for _ in range(_TRIALS):
            async with answered_within(_TRIAL_SECONDS):
                await self.pool.execute("select")


async def _connected(dsn: str, settings: Settings) -> asyncpg.Pool:
    with connecting():
        return await asyncpg.create_pool(
            dsn,
            min_size=min(settings.pool_min, settings.pool_max),
            max_size=settings.pool_max,
            max_inactive_connection_lifetime=settings.pool_idle_seconds,
            init=prepare,
            **options(Connection, settings),
        )
