"""How long a new analysis will take: what waits before it, and how long the latest ones of its kind took.

Asked for with every acceptance, hence read at most every few seconds; one reads, the others take what is known.
"""

from __future__ import annotations

import asyncio
import math
import time
from uuid import UUID

from mediaanalysis import log
from mediaanalysis.services import Services
from mediaanalysis.store import operations
from mediaanalysis.structs.principals import LOCAL_OWNER
from mediaanalysis.structs.requests import MediaType
from mediaanalysis.web.problems import Refusal

FRESH_SECONDS = 5.0
READ_SECONDS = 1.0
QUEUE_FULL_SECONDS = 30

_log = log.get("web")


class Outlook:
    def __init__(self, services: Services) -> None:
        self._db = services.database.pool
        self._slots = max(1, services.settings.worker_slots)
        self._queue_max_jobs = services.settings.queue_max_jobs
        self._pace: dict[UUID, dict[MediaType, float]] = {}
        self._waiting = 0
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    async def seconds(self, owner: UUID, media_type: MediaType) -> int | None:
        """From acceptance to the end, by the jobs that wait and the owner's pace; None while it has none. Never
        fails: what is accepted is accepted."""
        is_fresh = time.monotonic() - self._read_at < FRESH_SECONDS and owner in self._pace
        if not is_fresh and not self._reading.locked():
            async with self._reading:
                await self._read(owner)
        return self._estimate(self._pace.get(owner, {}), media_type)

    async def require_room(self) -> None:
        """Raises queue_full (503) while more wait than may, as of the latest look at the queue."""
        if self._queue_max_jobs and self._waiting >= self._queue_max_jobs:
            if time.monotonic() - self._read_at >= FRESH_SECONDS and not self._reading.locked():
                async with self._reading:
                    await self._read(LOCAL_OWNER)
            if self._waiting >= self._queue_max_jobs:
                detail = f"{self._waiting} analyses wait, which is as many as may. Try again later."
                raise Refusal(detail, code="queue_full", headers={"retry-after": str(QUEUE_FULL_SECONDS)})

    async def _read(self, owner: UUID) -> None:
        """Whatever happens here, the analysis behind it is committed, and its acceptance an answer."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                depth = await operations.queue_depth(self._db)
                pace = await operations.pace_seconds(self._db, owner)
        except Exception as error:  # noqa: BLE001 - see above
            _log.warning("estimate_failed", error=repr(error))
            return
        if time.monotonic() - self._read_at >= FRESH_SECONDS:
            self._pace.clear()
            self._read_at = time.monotonic()
        self._waiting = sum(each.jobs for each in depth if each.kind == "analyze")
        self._pace[owner] = pace

    def _estimate(self, pace: dict[MediaType, float], media_type: MediaType) -> int | None:
        """An unknown type takes as long as the slowest known one may."""
        own = pace.get(media_type, max(pace.values(), default=None))
        return None if own is None else math.ceil(own * (1 + self._waiting // self._slots))
