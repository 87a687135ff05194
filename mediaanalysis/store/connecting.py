"""How a connection to PostgreSQL is made: what the server is told, what it may not do to us, jsonb as Python values."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import asyncpg
import msgspec

from mediaanalysis.settings import Settings

APPLICATION_NAME = "mediaanalysis"

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


def options(kind: type[asyncpg.Connection], settings: Settings) -> dict[str, Any]:
    """For asyncpg."""
    return {
        "connection_class": kind,
        "timeout": settings.database_connect_seconds,
        "command_timeout": settings.database_command_seconds,
        "server_settings": _SERVER_SETTINGS,
        "target_session_attrs": "read-write",
        "statement_cache_size": 500,
        "max_cached_statement_lifetime": 0,
    }


async def prepare(connection: asyncpg.Connection) -> None:
    """To be called with each new connection."""
    _hang_up_on_silence(connection)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + msgspec.json.encode(value),
        decoder=lambda data: msgspec.json.decode(data[1:]),
        format="binary",
    )


def _hang_up_on_silence(connection: asyncpg.Connection) -> None:
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
