"""Writes that leave together: nothing is lost, nothing overtakes."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from mediaanalysis.web import coalescing
from mediaanalysis.web.coalescing import JOINED_MAX_BYTES, Joined


class Wire:
    """Writes down what a transport is told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []
        self.unread_bytes = 0
        self.aborted = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")
        self.aborted.set()

    def is_closing(self) -> bool:
        return "close" in self.told

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes


def joined(wire: Wire) -> Joined:
    return Joined(cast("asyncio.Transport", wire))


async def test_head_and_body_leave_together() -> None:
    wire = Wire()
    transport = joined(wire)
    transport.write(b"head ")
    transport.write(b"body")
    assert wire.told == []
    await asyncio.sleep(0)
    assert wire.told == [b"head body"]
    transport.write(b"next")
    await asyncio.sleep(0)
    assert wire.told == [b"head body", b"next"]


async def test_the_last_words_are_said_before_the_end() -> None:
    wire = Wire()
    transport = joined(wire)
    transport.write(b"bye")
    transport.close()
    await asyncio.sleep(0)
    assert wire.told == [b"bye", "close"]
    assert transport.is_closing()


async def test_much_does_not_wait() -> None:
    wire = Wire()
    transport = joined(wire)
    transport.write(b"head")
    transport.write(b"x" * JOINED_MAX_BYTES)
    assert wire.told == [b"head" + b"x" * JOINED_MAX_BYTES]
    await asyncio.sleep(0)
    assert len(wire.told) == 1


async def test_who_never_reads_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing, "CLOSE_SECONDS", 0)
    wire = Wire()
    wire.unread_bytes = 1
    joined(wire).close()
    await wire.aborted.wait()
    assert wire.told == ["close", "abort"]


async def test_nothing_is_said_to_who_has_left() -> None:
    wire = Wire()
    transport = joined(wire)
    transport.write(b"hello?")
    wire.close()
    await asyncio.sleep(0)
    assert wire.told == ["close"]
