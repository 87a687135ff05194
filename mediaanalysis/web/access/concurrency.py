"""Turns at what costs this process more than an answer: a few at once, and some left for others than who has most."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from mediaanalysis.errors import StoreError

WAIT_SECONDS = 5.0


class Concurrency:
    """`at_once` for all; an owner gets half of them, and at least one."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._each = max(1, at_once // 2)
        self._taken: Counter[UUID] = Counter()
        self._changed = asyncio.Event()

    async def wait(self, owner: UUID) -> None:
        """Until there is a turn, to be `taken` without awaiting anything before. Raises busy after `WAIT_SECONDS`."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not self._has_room(owner):
                    await self._changed.wait()
        except TimeoutError:
            raise StoreError("Too many of these are under way.", code="busy") from None

    @contextmanager
    def taken(self, owner: UUID) -> Iterator[None]:
        """One turn of the owner's, while inside."""
        self._taken[owner] += 1
        try:
            yield
        finally:
            self._taken[owner] -= 1
            self._taken += Counter()  # forgets those at zero
            self._changed.set()
            self._changed = asyncio.Event()

    def _has_room(self, owner: UUID) -> bool:
        return self._taken.total() < self._at_once and self._taken[owner] < self._each
