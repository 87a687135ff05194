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
        if not self._is_fresh() or owner not in self._pace:
            await self._read(owner)
        return self._estimate(self._pace.get(owner, {}), media_type)

    async def require_room(self) -> None:
        """Raises queue_full (503) while more wait than may, as of the latest look at the queue."""
        if self._is_full() and not self._is_fresh():
            await self._read()
        if self._is_full():
            detail = f"{self._waiting} analyses wait, which is as many as may. Try again later."
            raise Refusal(detail, code="queue_full", headers={"retry-after": str(QUEUE_FULL_SECONDS)})

    def _is_full(self) -> bool:
        return 0 < self._queue_max_jobs <= self._waiting

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < FRESH_SECONDS

    async def _read(self, owner: UUID | None = None) -> None:
        """The depth, and the owner's pace, where they are not known; unless somebody is at it. Whatever happens here,
        the analysis behind it is committed, and its acceptance an answer."""
        if self._reading.locked():
            return
        try:
            async with self._reading, asyncio.timeout(READ_SECONDS):
                if not self._is_fresh():
                    await self._read_depth()
                if owner is not None and owner not in self._pace:
                    self._pace[owner] = await operations.pace_seconds(self._db, owner)
        except Exception as error:  # noqa: BLE001 - see above
            _log.warning("estimate_failed", error=repr(error))

    async def _read_depth(self) -> None:
        depth = await operations.queue_depth(self._db)
        self._waiting = sum(each.jobs for each in depth if (each.kind, each.state) == ("analyze", "queued"))
        self._read_at = time.monotonic()
        self._pace.clear()

    def _estimate(self, pace: dict[MediaType, float], media_type: MediaType) -> int | None:
        """An unknown type takes as long as the slowest known one may."""
        own = pace.get(media_type, max(pace.values(), default=None))
        return None if own is None else math.ceil(own * (1 + self._waiting // self._slots))
