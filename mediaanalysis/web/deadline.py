"""Nothing waits for ever: an ASGI layer that ends a request which makes no progress."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediaanalysis import log
from mediaanalysis.errors import RequestError, StoreError

STEP_SECONDS = 60.0
BODY_GRACE_SECONDS = 30.0


class Deadline:
    """Ends a request that makes no progress. A body must come in `BODY_GRACE_SECONDS` plus its size at the minimum
    speed; every other step (the handler's work, one chunk taken by a slow reader) has `STEP_SECONDS`."""

    def __init__(self, app: ASGIApp, min_bytes_per_second: int) -> None:
        self._app = app
        self._min_bytes_per_second = min_bytes_per_second

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        progress = Progress(receive, send, self._min_bytes_per_second)
        try:
            with log.bound(correlation_id=str(scope["state"]["correlation_id"])):
                await self._app(scope, progress.receive, progress.send)
        except asyncio.CancelledError:
            if not progress.is_over:
                raise
            progress.uncancel()
            if progress.is_reading:
                raise RequestError("The body came too slowly.", code="request_timeout") from None
            raise StoreError("The request took too long here.", code="timeout") from None
        finally:
            progress.stop()


class Progress:
    """Moves the limit on with every message, and cancels the task when it is reached. One timer for a request: it
    looks at the limit when it fires, and sleeps again if that has moved; `asyncio.timeout` would pay for each move."""

    def __init__(self, receive: Receive, send: Send, min_bytes_per_second: int) -> None:
        self._receive = receive
        self._send = send
        self._seconds_per_byte = 1 / min_bytes_per_second
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        now = self._loop.time()
        self._body_until = now + BODY_GRACE_SECONDS
        self.until = now + STEP_SECONDS
        self._timer = self._loop.call_at(min(self.until, self._body_until), self._look)
        self._is_complete = False
        self.is_reading = False
        self.is_over = False

    async def receive(self) -> Message:
        if self._is_complete:
            return await self._receive()
        self.is_reading, self.until = True, self._body_until
        message = await self._receive()
        self._body_until += len(message.get("body", b"")) * self._seconds_per_byte
        self._is_complete = not message.get("more_body", False)
        self.is_reading, self.until = False, self._loop.time() + STEP_SECONDS
        return message

    async def send(self, message: Message) -> None:
        self.until = self._loop.time() + STEP_SECONDS
        await self._send(message)

    def stop(self) -> None:
        self._timer.cancel()

    def uncancel(self) -> None:
        """The cancellation was ours and ends here."""
        if self._task is not None:
            self._task.uncancel()

    def _look(self) -> None:
        if self._loop.time() < self.until:
            self._timer = self._loop.call_at(min(self.until, self._loop.time() + BODY_GRACE_SECONDS), self._look)
        elif self._task is not None:
            self.is_over = True
            self._task.cancel()
