"""Connections: uvicorn's on httptools, with what they lack. The head of a request (its first line and headers) has a
bound in bytes and in time, an error of the wire is a problem like every other, and a WebSocket is not spoken.

Bytes count from the first of a head to its end: while they come, neither the parser nor uvicorn forgets any of them.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mediaanalysis.errors import CODES, RequestError
from mediaanalysis.web.joined import Joined
from mediaanalysis.web.problems import problem

HEAD_MAX_BYTES = 32_768
HEAD_SECONDS = 30.0
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024
TOO_LARGE = f"The head of a request may have at most {HEAD_MAX_BYTES} bytes."


class _TooLarge(Exception):
    """Ends the parsing: httptools makes a parser's error of it."""


class Connection(HttpToolsProtocol):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._awaits_head = True
        self._head_bytes = 0
        self._fields_bytes = 0
        self._is_refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joined = Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]
        self._start_timer()

    def eof_received(self) -> None:
        """The client says no more, and is still owed what was answered: the transport closes as soon as we return."""
        self._joined.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data) if self._awaits_head else 0
        if self._is_refused:
            self._lose()
            return
        super().data_received(data)
        if self._awaits_head and self._head_bytes and not self._is_refused:
            self._start_timer()
            if self._head_bytes > HEAD_MAX_BYTES:
                self._refuse("head_too_large", TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields_bytes = 0
        self._head_bytes = max(1, self._head_bytes)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._awaits_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._awaits_head = True
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        if self._fields_bytes > HEAD_MAX_BYTES:
            self._refuse("head_too_large", TOO_LARGE)
        else:
            self._refuse("bad_request", msg)

    def _count(self, size: int) -> None:
        self._fields_bytes += size
        if self._fields_bytes > HEAD_MAX_BYTES:
            raise _TooLarge

    def _refuse(self, code: str, detail: str) -> None:
        """The last words on this connection, but none where an answer has begun, or one to an earlier request waits.
        It ends a moment later: a client that is still sending would get a reset instead of them."""
        self._is_refused = True
        self._awaits_head = True
        if self._answers:
            if self.cycle.response_started or self.pipeline or code == "head_too_large":
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_last_words(code, detail))
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _lose(self) -> None:
        """Take in what nobody reads any more."""
        if self._head_bytes > LINGER_BYTES:
            self.transport.close()

    @property
    def _answers(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """No head came in time. One may wait behind the answer to an earlier request for as long as that takes."""
        self._timer = None
        if self._answers:
            self._start_timer()
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _last_words(code: str, detail: str) -> bytes:
    body = msgspec.json.encode(problem(RequestError(detail, code=code), secrets.token_hex(8)))
    status, title = CODES[code].status, CODES[code].title
    return (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    ).encode() + body
