"""Connections: uvicorn's on httptools, with what they lack. The head of a request (its first line and headers) has a
bound in bytes and in time, and so has all else that is neither head nor body. An error of the wire is a problem like
every other. No other protocol is spoken, and who offers one is answered in this. One connection takes no more than its
share: of requests that come faster than their answers go, few are read ahead.

Bytes count from the first of a head to its end, and from the last of a body to the next: while they come, neither the
parser nor uvicorn forgets any of them.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, NoReturn

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mediaanalysis.errors import CODES, RequestError
from mediaanalysis.web.coalescing import Joined
from mediaanalysis.web.connection_limit import Crowd
from mediaanalysis.web.problems import problem

HEAD_MAX_BYTES = 32_768
HEAD_SECONDS = 30.0
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024
AHEAD_MAX_REQUESTS = 32
PIECE_BYTES = 8192
UNPARSED_MAX_BYTES = 1024 * 1024
VERSIONS = frozenset({"1.0", "1.1"})
TOO_LARGE = f"The head of a request may have at most {HEAD_MAX_BYTES} bytes."
NO_HTTP = "What came is no request in HTTP 1.1."
FULL = "There are too many connections to this service."


class _Unreadable(Exception):
    """Ends the parsing: httptools makes a parser's error of it."""


class Connection(HttpToolsProtocol):
    server_state: Crowd

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unparsed: bytes | memoryview = b""
        self._awaits_head = True
        self._offers_upgrade = False
        self._idle_bytes = 0
        self._fields_bytes = 0
        self._fault = ("bad_request", NO_HTTP)
        self._is_refused = False
        self._is_ended = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joined = Joined(transport)
        super().connection_made(self._joined)  # type: ignore[arg-type]
        if self.server_state.admit():
            self._await_head()
            self._start_timer()
        elif self.server_state.is_overrun:
            transport.abort()
        else:
            self._refuse("busy", FULL)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client says no more, and is still owed the answers to all that it said; to half a request there is none.
        False closes the connection."""
        self._joined.flush()
        self._is_ended = True
        return self._answers and self._awaits_head

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.server_state.waiting.pop(self, None)
        self._unparsed = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._is_refused:
            self._lose(len(data))
            return
        self._unparsed = bytes(self._unparsed) + data if self._unparsed else data
        if len(self._unparsed) > UNPARSED_MAX_BYTES:
            self.transport.close()
            return
        self._parse()

    def _parse(self) -> None:
        """Piece by piece, until enough requests wait for their turn."""
        if len(self._unparsed) > PIECE_BYTES:
            self._unparsed = memoryview(self._unparsed)
        while self._unparsed and not self._is_refused and len(self.pipeline) < AHEAD_MAX_REQUESTS:
            piece, self._unparsed = self._unparsed[:PIECE_BYTES], self._unparsed[PIECE_BYTES:]
            self._idle_bytes += len(piece)
            self._feed(piece)
            if self._idle_bytes > HEAD_MAX_BYTES and not self._is_refused:
                self._refuse("head_too_large", TOO_LARGE)
        if self._unparsed:
            self.flow.pause_reading()
        elif self._awaits_head and self._idle_bytes and not self._is_refused:
            self._start_timer()

    def _feed(self, piece: bytes | memoryview) -> None:
        while piece:
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                piece = self._without_upgrade() + bytes(piece[offer.args[0] :])
                continue
            except httptools.HttpParserError:
                self._refuse(*self._fault)
            return

    def _without_upgrade(self) -> bytes:
        """The head that has just been read, without its offer: having seen that, the parser takes no body."""
        self._offers_upgrade = False
        fields = b"".join(b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        version = self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, fields)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields_bytes = 0
        self._idle_bytes = max(1, self._idle_bytes)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A trailer counts, and is dropped: as a header it would come after everything has been decided by them."""
        self._count(len(name) + len(value))
        if self._awaits_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._check_head()
        if self.parser.should_upgrade():
            self._offers_upgrade = True
            return
        super().on_headers_complete()
        self.server_state.waiting.pop(self, None)
        self._stop_timer()
        self._awaits_head = False
        self._idle_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._offers_upgrade:
            return
        super().on_message_complete()
        self._await_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._awaits_head:
            self._note_waiting()
        else:
            self._start_timer()  # nobody waits longer for the rest of a body that was not needed for the answer
        self._parse()
        if self._is_ended and not self._answers:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse("bad_request", msg)

    def _await_head(self) -> None:
        self._awaits_head = True
        self._idle_bytes = 0
        self._note_waiting()

    def _note_waiting(self) -> None:
        if not self._answers:
            self.server_state.waiting[self] = None

    def _check_head(self) -> None:
        """What parsers of other programs, in front of this one, may understand in another way."""
        version = self.parser.get_http_version()
        hosts = [value for name, value in self.headers if name == b"host"]
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if version not in VERSIONS:
            self._fail("bad_request", NO_HTTP)
        if len(hosts) > 1 or (version == "1.1" and not hosts):
            self._fail("bad_request", "A request has one Host header.")
        if codings and [coding.lower() for coding in codings] != [b"chunked"]:
            self._fail("bad_request", "Of transfer codings chunked alone is understood.")
        if self.parser.get_method() == b"CONNECT":
            self._fail("bad_request", "This is no proxy.")

    def _count(self, size: int) -> None:
        self._fields_bytes += size
        if self._fields_bytes > HEAD_MAX_BYTES:
            self._fail("head_too_large", TOO_LARGE)

    def _fail(self, code: str, detail: str) -> NoReturn:
        self._fault = code, detail
        raise _Unreadable

    def _refuse(self, code: str, detail: str) -> None:
        """The last words on this connection, or none: those to whom an answer is due to what they said before get that
        instead, and it is the last. It ends a moment later: a client that is still sending would get a reset first."""
        self._is_refused = True
        self._unparsed = b""
        if self._answers:
            if self._awaits_head:
                self.cycle.keep_alive = False
                return
            if self.cycle.response_started or self.pipeline:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_last_words(code, detail))
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _lose(self, size: int) -> None:
        """Take in what nobody reads any more."""
        self._idle_bytes += size
        if self._idle_bytes > LINGER_BYTES:
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
    retry = b"retry-after: 1\r\n" if CODES[code].retryable else b""
    return (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n"
    ).encode() + b"%b\r\n%b" % (retry, body)
