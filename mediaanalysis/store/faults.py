"""What asyncpg raises, said once in our words: StoreError, with the original as its cause.

`database_unavailable` (retryable): away, starting, stopping, full, read-only, too slow, or letting nobody connect.
`internal` (not retryable): the statement was refused, by a constraint or for a fault of ours; the same again will be
refused again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from mediaanalysis.errors import StoreError

_AWAY = (
    OSError,  # but a statement's time-out, which says only that this one was slow
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InternalClientError,  # the server said goodbye and the connection was used before its end was seen
)
_PASSING = (TimeoutError, asyncpg.TransactionRollbackError, asyncpg.QueryCanceledError)
"""Slow, in each other's way (deadlock, serialization), called back: the next statement may do."""

FAULTS = (*_AWAY, *_PASSING, asyncpg.InterfaceError, asyncpg.PostgresError)
"""What is translated; anything else is a fault of our own and passes as it is."""


@contextmanager
def connecting() -> Iterator[None]:
    """Raises StoreError."""
    try:
        yield
    except FAULTS as error:
        raise refused_connection(error) from error


def refused_connection(error: BaseException) -> StoreError:
    """One of `FAULTS`, raised while connecting: no statement is at fault, so whatever the server says, it is away."""
    return _away(error) if isinstance(error, (asyncpg.PostgresError, TimeoutError)) else translation(error)


def translation(error: BaseException) -> StoreError:
    """One of `FAULTS` in our words; to be raised from it. The busiest paths catch for themselves: a `try` is free, a
    context manager is not."""
    if isinstance(error, _PASSING):
        return StoreError(f"the database did not do it this time ({_short(error)})")
    if isinstance(error, _AWAY):
        return _away(error)
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg says both "you may not do that" and "the connection is gone" by this class.
        gone = "closed" in str(error) or "closing" in str(error)
        code = "database_unavailable" if gone else "internal"
        return StoreError(f"the database was not asked ({_short(error)})", code=code, retryable=gone, is_away=gone)
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        text = f"the database refused: its owner may do this, this login may not ({_short(error)})"
        return StoreError(text, code="internal", retryable=False)
    return StoreError(f"the database refused ({_short(error)})", code="internal", retryable=False)


def _away(error: BaseException) -> StoreError:
    return StoreError(f"the database is not reachable ({_short(error)})", is_away=True)


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """For statements that take milliseconds: a connection that is silent for so long leads nowhere, though nobody has
    hung up. Raises StoreError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StoreError(f"the database did not answer in {seconds:g} s") from None


def _short(error: BaseException) -> str:
    """The kind only: texts of PostgreSQL quote values, and this one is public."""
    return getattr(error, "sqlstate", None) or type(error).__name__
