"""How the database is, as this process finds it by asking.

    available   statements work, and changes are heard of
    degraded    it answers, but not as it should: the latest statements failed, or it takes no writes, or nobody hears
                changes, or it is tried again after an outage. It is asked; reads that fail are answered from memory
    offline     five in a row found nobody there: nothing is asked, everything is refused at once

What counts is that nobody answers: no connection, starting, stopping, full, read-only, silent. That a statement was
refused, met another or found no free connection does not, and any answer starts the count anew. After 30 seconds three
trials are let through, or as soon as the database is seen to be back (`Database` looks every moment); when all three
are answered, it is available.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import StrEnum
from time import monotonic

import asyncpg

from mediaanalysis import log
from mediaanalysis.breaker import Breaker, State
from mediaanalysis.errors import StoreError

SETTLED_SECONDS = 5.0
"""Without a fault for so long it is well again; so one that fails every other moment does not change each moment."""
SILENT_SECONDS = 4.5
"""Whoever gave a statement up after so long was not answered; those who count do so after five seconds."""
RETRY_MAX_SECONDS = 5.0

_READ_ONLY = (asyncpg.ReadOnlySQLTransactionError, asyncpg.TargetServerAttributeNotMatched)

_log = log.get("store")


class Health(StrEnum):
    AVAILABLE = "available"
    DEGRADED = "degraded"
    OFFLINE = "offline"


class DatabaseHealth:
    """Call `ask` before a statement, then exactly one of `answered`, `failed` and `given_up` with what it gave."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._breaker = Breaker(clock=clock)
        self._clock = clock
        self._epoch = 0
        self._failed_at = -math.inf
        self._is_failing = False
        self._is_deaf = False
        self._takes_no_writes = False
        self._shown = Health.AVAILABLE
        self._ill = asyncio.Event()

    @property
    def state(self) -> Health:
        """Also says it in the log, where it is news."""
        self._look()
        return self._shown

    @property
    def trouble(self) -> str:
        """Why it is not available; empty where it is."""
        if self._breaker.state is State.OPEN:
            return "nobody answers there, and it is not asked until somebody does"
        if self._breaker.state is State.HALF_OPEN:
            return "it is tried again after an outage"
        if self._takes_no_writes:
            return "it takes no writes"
        if self._is_failing or self._clock() - self._failed_at < SETTLED_SECONDS:
            return "statements failed a moment ago"
        return "changes are polled for, nobody hears of them" if self._is_deaf else ""

    def require(self) -> None:
        """For work that would end in a statement. Raises StoreError while the database is offline."""
        if self._breaker.state is State.OPEN:
            raise self._refusal()

    def ask(self) -> int:
        """The number that goes with the outcome. Raises StoreError while nothing is asked."""
        if not self._breaker.allows():
            raise self._refusal()
        return self._epoch

    def answered(self, asked: int) -> None:
        if self._shown is not Health.AVAILABLE and asked == self._epoch:
            self._breaker.succeeded()
            self._is_failing = False
            self._look()

    def failed(self, asked: int, error: StoreError) -> None:
        """What was asked before the breaker opened tells nothing about now."""
        if asked != self._epoch:
            return
        if error.is_away or isinstance(error.__cause__, TimeoutError):
            self._takes_no_writes |= isinstance(error.__cause__, _READ_ONLY)
            self._count()
        elif isinstance(error.__cause__, asyncpg.PostgresError):
            self.answered(asked)
        else:
            self._breaker.abandoned()

    def given_up(self, asked: int, waited_seconds: float = 0) -> None:
        """It was stopped before it showed anything, but that nobody answers at once."""
        if asked != self._epoch:
            return
        if waited_seconds >= SILENT_SECONDS:
            self._count()
        else:
            self._breaker.abandoned()

    def missed(self, error: StoreError) -> None:
        """A connection beside the pool could not be made."""
        if self._breaker.state is State.CLOSED:
            self.failed(self._epoch, error)

    def restored(self) -> None:
        """A new connection was made, and takes writes: trials may begin."""
        self._takes_no_writes = False
        self._breaker.try_now()
        self._look()

    def hears(self, value: bool) -> None:
        """Whether changes are heard of."""
        self._is_deaf = not value
        self._look()

    async def ill(self) -> None:
        """Wait until somebody should look whether the database is back."""
        await self._ill.wait()

    def _count(self) -> None:
        self._breaker.failed()
        self._failed_at, self._is_failing = self._clock(), True
        if self._breaker.state is State.OPEN:
            self._epoch += 1
        self._look()

    def _look(self) -> None:
        """Take note of the state, and say it once when it is another."""
        if self._breaker.state is not State.CLOSED or self._takes_no_writes:
            self._ill.set()
        else:
            self._ill.clear()
        now, why = self._now(), self.trouble
        if now is self._shown:
            return
        before, self._shown = self._shown, now
        say = _log.info if now is Health.AVAILABLE else _log.warning
        say("database_health", state=now.value, before=before.value, why=why)

    def _now(self) -> Health:
        if self._breaker.state is State.OPEN:
            return Health.OFFLINE
        return Health.DEGRADED if self.trouble else Health.AVAILABLE

    def _refusal(self) -> StoreError:
        """It is looked for all the time, so that it pays to come again soon."""
        seconds = min(RETRY_MAX_SECONDS, max(1.0, self._breaker.retry_after_seconds))
        return StoreError("the database is away, and is not asked", retry_after_seconds=seconds, is_away=True)
