"""What asyncpg raises, said once in our words: StoreError, with the original as its cause.

`database_unavailable` (retryable): away, starting, stopping, full, read-only, too slow. `internal` (not retryable): the
statement was refused, by a constraint or for a fault of ours; the same again will be refused again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from mediaanalysis.errors import StoreError

_AWAY = (
    OSError,  # TimeoutError too: of connecting, of a free connection, of a statement
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InternalClientError,  # the server said goodbye and the connection was used before its end was seen
)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise StoreError(f"the database is not reachable ({_short(error)})") from error
    except asyncpg.InterfaceError as error:
        # asyncpg says both "you may not do that" and "the connection is gone" by this class.
        gone = "closed" in str(error) or "closing" in str(error)
        code = "database_unavailable" if gone else "internal"
        raise StoreError(f"the database was not asked ({_short(error)})", code=code, retryable=gone) from error
    except asyncpg.PostgresError as error:
        raise StoreError(f"the database refused ({_short(error)})", code="internal", retryable=False) from error


def _short(error: BaseException) -> str:
    """The kind only: texts of PostgreSQL quote values, and this one is public."""
    return getattr(error, "sqlstate", None) or type(error).__name__
