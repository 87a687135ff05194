"""Encoded answers in memory: bounded, with a time to live, and never older than a change this process knows of.

How "never older" is kept: an answer is stored only if nothing changed the analysis between the start of its read and
its end (`read` holds a ticket that `forget` takes away), and a change is announced after its commit, so that a read
that begins later sees it. While nobody listens to the database nothing is served and nothing is kept, and what was
kept before a gap in listening is forgotten.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from uuid import UUID

from msgspec import Struct

from mediaanalysis.metrics import Metrics

MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRY_BYTES = MAX_BYTES // 32
ENTRY_OVERHEAD_BYTES = 512
STATUS_SECONDS = 300.0
RESULT_SECONDS = 3600.0


class Answer(Struct, frozen=True):
    """An encoded answer with its headers and its strong ETag. `is_final`: it stands until somebody acts (retry,
    delete). `keep_seconds` 0: not to be kept."""

    body: bytes
    etag: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_final: bool = True
    keep_seconds: float = 0.0


class _Kept(Struct):
    """The answers about one analysis, by kind, each with the moment it stops being fresh."""

    owner: UUID
    answers: dict[str, tuple[Answer, float]]
    size_bytes: int


class Cache:
    """Least recently used analyses leave first. Another owner's analysis is never found. `ear` gives the connection
    that hears of changes, the same as long as it never broke, or None."""

    def __init__(
        self,
        ear: Callable[[], object | None],
        metrics: Metrics,
        *,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ear = ear
        self._clock = clock
        self._heard_by: object | None = None
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size_bytes = 0
        self._tickets: dict[str, set[object]] = {}
        self._hits = metrics.cache_lookups.labels("hit")
        self._misses = metrics.cache_lookups.labels("miss")
        metrics.cache_entries.set_function(lambda: len(self._kept))

    def get(self, kind: str, analysis_id: str, owner: UUID) -> Answer | None:
        """The kept answer, if it may be served."""
        kept = self._kept.get(analysis_id) if self._hears() else None
        if kept is None or kind not in kept.answers or kept.owner != owner:
            return None
        answer, fresh_until = kept.answers[kind]
        if self._clock() >= fresh_until:
            self.forget(analysis_id)
            return None
        self._kept.move_to_end(analysis_id)
        self._hits.inc()
        return answer

    async def read(self, kind: str, analysis_id: str, owner: UUID, load: Callable[[], Awaitable[Answer]]) -> Answer:
        """The kept answer, or what `load` reads now, kept if it may be."""
        if answer := self.get(kind, analysis_id, owner):
            return answer
        self._misses.inc()
        ticket = object()
        self._tickets.setdefault(analysis_id, set()).add(ticket)
        try:
            answer = await load()
        finally:
            is_current = self._hears() and self._give_back(analysis_id, ticket)
        if is_current and answer.keep_seconds:
            self._keep(kind, analysis_id, owner, answer)
        return answer

    def forget(self, analysis_id: str) -> None:
        """The analysis changed: drop what is kept, and let no read that has begun be kept."""
        self._tickets.pop(analysis_id, None)
        if kept := self._kept.pop(analysis_id, None):
            self._size_bytes -= kept.size_bytes

    def forget_all(self) -> None:
        """Changes may have been missed."""
        self._tickets.clear()
        self._kept.clear()
        self._size_bytes = 0

    def _hears(self) -> bool:
        """Whether changes are heard of, now and since everything here was kept."""
        ear = self._ear()
        if ear is not self._heard_by:
            self.forget_all()
            self._heard_by = ear
        return ear is not None

    def _give_back(self, analysis_id: str, ticket: object) -> bool:
        """Whether nothing changed since the ticket was taken."""
        tickets = self._tickets.get(analysis_id, set())
        is_valid = ticket in tickets
        tickets.discard(ticket)
        if not tickets:
            self._tickets.pop(analysis_id, None)
        return is_valid

    def _keep(self, kind: str, analysis_id: str, owner: UUID, answer: Answer) -> None:
        if len(answer.body) > MAX_ENTRY_BYTES:
            return
        kept = self._kept.setdefault(analysis_id, _Kept(owner, {}, 0))
        before = kept.size_bytes
        kept.answers[kind] = (answer, self._clock() + answer.keep_seconds)
        kept.size_bytes = ENTRY_OVERHEAD_BYTES + sum(len(each.body) for each, _ in kept.answers.values())
        self._size_bytes += kept.size_bytes - before
        while self._size_bytes > self._max_bytes:
            self._size_bytes -= self._kept.popitem(last=False)[1].size_bytes
