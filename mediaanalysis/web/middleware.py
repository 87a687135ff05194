"""What every request passes through, as plain ASGI: identity, security headers, error answers, log, metrics.

`Gate` leaves in `scope["state"]`: `request_id` (of this request alone), `correlation_id` (UUID, the client's or a new
one) and `headers` (a list: what others add to it stands in the answer). The order of all layers stands in `web.routes`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from contextlib import suppress

from prometheus_client import Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediaanalysis import log
from mediaanalysis.errors import CODES, MediaAnalysisError
from mediaanalysis.metrics import Metrics
from mediaanalysis.web import problems
from mediaanalysis.web.correlation import correlation, trace_parent

CLIENT_GONE = 499
LINGER_SECONDS = 5.0
LINGER_BYTES = 16 * 1024 * 1024
SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
QUIET_ROUTES = frozenset({"/health", "/health/ready", "/metrics", "/api/media/status/{analysis_id}"})


_KEY = re.compile(r"ma_[A-Za-z0-9_-]{20,}")


def loggable(path: str) -> str:
    """The path without a key that somebody put into it by mistake."""
    return _KEY.sub("ma_***", path) if "ma_" in path else path


class Exchange:
    """One request and what has been answered so far."""

    __slots__ = (
        *("_headers", "_receive", "_send", "body_unread", "correlation_id"),
        *("length", "request_id", "started", "status"),
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = request_id
        correlation_id = correlation(headers)
        self.correlation_id = str(correlation_id)
        self.started = time.perf_counter()
        self.status = 0
        self.length = 0
        self.body_unread = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        self._receive = receive
        self._send = send
        trace = trace_parent(headers)
        self._headers = [(b"traceparent", trace)] if trace else []
        state = scope.setdefault("state", {})
        state.update(request_id=request_id, correlation_id=correlation_id, headers=self._headers)

    async def receive(self) -> Message:
        message = await self._receive()
        self.body_unread = self.body_unread and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                *SECURITY_HEADERS,
                (b"x-request-id", self.request_id.encode()),
                (b"x-correlation-id", self.correlation_id.encode()),
                *self._headers,
            ]
        else:
            self.length += len(message.get("body", b""))
        await self._send(message)


class Gate:
    """The first layer of our own; only those that settings ask for, CORS and proxies, lie around it. Nothing escapes it
    but a failure after the answer began: then the connection must break."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._seconds = metrics.http_request_seconds
        self._observers: dict[tuple[str, str, int], Histogram] = {}
        self._log = log.get("web").bind()  # bound once: a lazy logger is put together anew for every line
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, f"{self._prefix}-{next(self._numbers):08x}")
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = exchange.status or CLIENT_GONE
        except Exception as error:
            if exchange.status:
                raise
            await self._answer_error(error, exchange, scope, receive)
        finally:
            self._record(exchange, scope)

    async def _answer_error(self, error: Exception, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        if not isinstance(error, MediaAnalysisError):
            self._log.error("request_failed", exc_info=error, request_id=exchange.request_id)
            error = MediaAnalysisError("Something failed here. The request id finds it in the log.")
        elif CODES[error.code].status in (None, 500):
            self._log.error("request_failed", exc_info=error, request_id=exchange.request_id)
        if not exchange.body_unread:
            await problems.respond(error, exchange.request_id)(scope, receive, exchange.send)
            return
        response = problems.respond(error, exchange.request_id, body_unread=True)
        await response(scope, receive, _unended(exchange.send))
        await _linger(exchange)
        await exchange.send({"type": "http.response.body"})

    def _record(self, exchange: Exchange, scope: Scope) -> None:
        seconds = time.perf_counter() - exchange.started
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._observer(method, route, exchange.status).observe(seconds)
        level = logging.DEBUG if exchange.status < 400 and route in QUIET_ROUTES else logging.INFO
        if self._log.is_enabled_for(level):
            self._log.log(
                level,
                "request",
                method=scope["method"],
                path=loggable(scope["path"]),
                status=exchange.status,
                client=(scope.get("client") or ("",))[0],
                caller=caller.name if (caller := scope["state"].get("principal")) else "",
                bytes=exchange.length,
                milliseconds=round(seconds * 1000, 2),
                request_id=exchange.request_id,
                correlation_id=exchange.correlation_id,
            )

    def _observer(self, method: str, route: str, status: int) -> Histogram:
        """The histogram of these labels; finding it by them each time costs as much as the rest."""
        key = method, route, status
        if key not in self._observers:
            self._observers[key] = self._seconds.labels(method, route, str(status))
        return self._observers[key]


def _unended(send: Send) -> Send:
    """Sends the whole answer and leaves it open."""

    async def send_on(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    return send_on


async def _linger(exchange: Exchange) -> None:
    """Take in more of a body that nobody wants, before the connection ends: the end of a connection with bytes unread
    is a reset, and a reset may take the answer from a client that is still sending."""
    taken = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while exchange.body_unread and taken < LINGER_BYTES:
                message = await exchange.receive()
                taken += len(message.get("body", b""))
