"""When to look for work: on a hint, and now and then without one, because hints may be lost."""

from __future__ import annotations

import asyncio

from mediaanalysis.worker.chance import jittered

POLL_SECONDS = 1.1
"""A little over a second: with the beat, an idle worker sends less than two statements a second."""


class Wake:
    """Hints come from the database (NOTIFY), from this process, and from jobs that end."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def hint(self, _payload: str = "") -> None:
        self._event.set()

    def listen(self) -> None:
        """From here on hints count: call it before looking, so that none falls between the look and the wait."""
        self._event.clear()

    async def wait(self) -> None:
        """Until a hint, or about a second; not all workers at once."""
        try:
            async with asyncio.timeout(jittered(POLL_SECONDS, 0.25)):
                await self._event.wait()
        except TimeoutError:
            pass
