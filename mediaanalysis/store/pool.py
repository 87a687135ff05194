"""Connections to PostgreSQL. Functions of the store take `db`: the pool, or a connection inside a transaction."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Protocol, cast

import asyncpg
import msgspec

from mediaanalysis import log
from mediaanalysis.errors import StoreError
from mediaanalysis.settings import Settings
from mediaanalysis.store.faults import FAULTS, translated, translation

APPLICATION_NAME = "mediaanalysis"
_CONNECT_RETRIES = 3
_FIRST_PAUSE_SECONDS = 0.5

_SERVER_SETTINGS = {
    "application_name": APPLICATION_NAME,
    "mediaanalysis.actor": APPLICATION_NAME,  # who the audit log names, where a statement does not say
    "timezone": "UTC",
    "jit": "off",
    "idle_in_transaction_session_timeout": "10s",
    # A client that vanished without a word must not keep its locks for the two hours of the system's defaults.
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_UNANSWERED_MILLISECONDS = 10_000
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
    """Runs each statement on a free connection. All raise StoreError."""

    def __init__(self, pool: asyncpg.Pool, acquire_seconds: float) -> None:
        self._pool = pool
        self._acquire_seconds = acquire_seconds

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        connection = await self._take()
        try:
            return await connection.fetch(query, *args)
        finally:
            await self._give_back(connection)

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:
        connection = await self._take()
        try:
            return await connection.fetchrow(query, *args)
        finally:
            await self._give_back(connection)

    async def fetchval(self, query: str, *args: Any) -> Any:
        connection = await self._take()
        try:
            return await connection.fetchval(query, *args)
        finally:
            await self._give_back(connection)

    async def execute(self, query: str, *args: Any) -> str:
        connection = await self._take()
        try:
            return await connection.execute(query, *args)
        finally:
            await self._give_back(connection)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection of one's own, for as long as the block lasts."""
        connection = await self._take()
        try:
            yield connection
        finally:
            await self._give_back(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        async with self.acquire() as connection:
            try:
                async with connection.transaction():
                    yield connection
            except asyncpg.InterfaceError as error:  # lost meanwhile, so there is nothing to roll back
                raise translation(error) from error

    async def _take(self) -> Connection:
        try:
            return cast("Connection", await self._pool.acquire(timeout=self._acquire_seconds))
        except FAULTS as error:
            raise translation(error) from error

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
        self.pool = Pool(connected, settings.pool_acquire_seconds)
        self._asyncpg = connected
        self._settings = settings
        self._renewal = asyncio.create_task(self._renew())

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
        self._renewal.cancel()
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
        """A connection beside the pool, to keep: for LISTEN and session locks. The caller closes it."""
        with translated():
            connection = await asyncpg.connect(self.dsn, **_connecting(self._settings))
            await _prepare(connection)
        return cast("Connection", connection)

    async def _renew(self) -> None:
        """asyncpg bounds how long a connection idles, not how long it lives."""
        while True:
            await asyncio.sleep(self._settings.pool_lifetime_seconds)
            await self._asyncpg.expire_connections()


async def _connected(dsn: str, settings: Settings) -> asyncpg.Pool:
    with translated():
        return await asyncpg.create_pool(
            dsn,
            min_size=min(settings.pool_min, settings.pool_max),
            max_size=settings.pool_max,
            max_inactive_connection_lifetime=settings.pool_idle_seconds,
            init=_prepare,
            **_connecting(settings),
        )


def _connecting(settings: Settings) -> dict[str, Any]:
    return {
        "connection_class": Connection,
        "timeout": settings.database_connect_seconds,
        "command_timeout": settings.database_command_seconds,
        "server_settings": _SERVER_SETTINGS,
        "target_session_attrs": "read-write",
        "statement_cache_size": 500,
        "max_cached_statement_lifetime": 0,
    }


async def _prepare(connection: Connection) -> None:
    _hang_up_on_silence(connection)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value),
        decoder=lambda data: msgspec.json.decode(data[1:]),
        format="binary",
    )


def _hang_up_on_silence(connection: Connection) -> None:
    """A half-open connection fails within seconds, not when the statement's time is up. asyncpg lacks the setting."""
    peer = connection._transport.get_extra_info("socket")  # noqa: SLF001
    if peer is None or peer.family == socket.AF_UNIX:
        return
    with suppress(OSError, AttributeError):  # not every system has every option
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MILLISECONDS)
