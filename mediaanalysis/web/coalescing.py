"""Answers in one piece. uvicorn writes the head and the body of an answer each for itself, and every write is a system
call and a packet: for a small answer they take as long as our own code."""

from __future__ import annotations

import asyncio
from typing import Any

JOINED_MAX_BYTES = 16_384
CLOSE_SECONDS = 30.0


class Joined:
    """A transport that sends together what is written in one turn of the loop; more than `JOINED_MAX_BYTES`, at once.
    Otherwise the transport it stands for."""

    __slots__ = ("_loop", "_parts", "_size_bytes", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._size_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._size_bytes += len(data)
        if self._size_bytes > JOINED_MAX_BYTES:
            self.flush()

    def close(self) -> None:
        """After what was written is sent, if it is taken in `CLOSE_SECONDS`: who never reads would stay for ever."""
        self.flush()
        if not self._transport.is_closing():
            self._transport.close()
            if self._transport.get_write_buffer_size():
                self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def flush(self) -> None:
        """Send what waits, now: before the connection ends. Nobody is there any more to hear it after that."""
        if self._parts:
            if not self._transport.is_closing():
                self._transport.write(b"".join(self._parts))
            self._parts.clear()
            self._size_bytes = 0
