"""Changes of analyses, as they are announced by the database: whoever waits for one is woken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watching(self, analysis_id: str) -> Iterator[asyncio.Event]:
        """An event that is set by every change while inside."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(analysis_id, set())
        waiting.add(event)
        try:
            yield event
        finally:
            waiting.discard(event)
            if not waiting and self._waiting.get(analysis_id) is waiting:
                del self._waiting[analysis_id]

    def announce(self, analysis_id: str) -> None:
        for event in self._waiting.get(analysis_id, ()):
            event.set()
