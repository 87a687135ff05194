"""Encoded answers in memory: bounded, fresh for a time, and servable as stale while the database is away.

A kept answer is **fresh** while the connection that heard of changes when it was read still hears, and its time is not
up. Otherwise it is served only when reading anew fails because the database is away, with its age, for an hour more.

No reader sees a state older than one already shown to it, because what is kept is never older than what was shown.
Of a read that begins, all that was shown before is committed, so it cannot be older. What is shown while it is under
way (by other reads, by a list) is compared with it: equal, and it is kept; another, and nobody can tell which is newer,
so neither is kept. A change that is announced, or made through this process whatever came of it, forgets both.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

import msgspec
from msgspec import Struct

from mediaanalysis.errors import MediaAnalysisError, RequestError
from mediaanalysis.metrics import Metrics

MAX_BYTES = 64 * 1024 * 1024
MAX_ENTRY_BYTES = MAX_BYTES // 32
ENTRY_OVERHEAD_BYTES = 1280
"""What a kept status takes in memory besides its body: measured."""
STATUS_SECONDS = 300.0
RESULT_SECONDS = 3600.0
STALE_SECONDS = 3600.0

DEAF = 0


class Answer(Struct, frozen=True):
    """An encoded answer with its headers and its strong ETag. `is_final`: it stands until somebody acts (retry,
    delete). `keep_seconds` 0: not to be kept. `version` is that of the analysis it shows."""

    body: bytes
    etag: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_final: bool = True
    keep_seconds: float = 0.0
    version: object = None


class _Copy(Struct, frozen=True):
    """A kept answer. `hearing`: the connection that heard of changes while it was read; `DEAF` where none did."""

    answer: Answer
    hearing: int
    kept_at: float
    fresh_until: float


class _Kept(Struct):
    """The answers about one analysis, by kind: all of one version."""

    owner: UUID
    copies: dict[str, _Copy]
    size_bytes: int


class _Reading(Struct, eq=False):
    """A read under way, and what was shown meanwhile: one version, and one answer of its own kind, or it is spoilt."""

    owner: UUID
    kind: str
    shown: set[object]


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
        self._hearing = DEAF
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size_bytes = 0
        self._readings: dict[str, set[_Reading]] = {}
        self._hits = metrics.cache_lookups.labels("hit")
        self._misses = metrics.cache_lookups.labels("miss")
        self._stales = metrics.cache_lookups.labels("stale")
        metrics.cache_entries.set_function(lambda: len(self._kept))

    def get(self, kind: str, analysis_id: str, owner: UUID) -> Answer | None:
        """The kept answer, while it is fresh."""
        copy = self._find(kind, analysis_id, owner)
        if copy is None or not self._is_fresh(copy):
            return None
        self._kept.move_to_end(analysis_id)
        self._hits.inc()
        return copy.answer

    async def read(self, kind: str, analysis_id: str, owner: UUID, load: Callable[[], Awaitable[Answer]]) -> Answer:
        """The kept answer if it is fresh, or what `load` reads now, or the kept one where the database is away."""
        if answer := self.get(kind, analysis_id, owner):
            return answer
        try:
            answer = await self._load(kind, analysis_id, owner, load)
        except MediaAnalysisError as error:
            if error.code == "database_unavailable" and (stale := self._stale(kind, analysis_id, owner)):
                self._stales.inc()
                return stale
            self._misses.inc()
            raise
        self._misses.inc()
        return answer

    def saw(self, analysis_id: str, version: object) -> None:
        """The analysis is being shown in this version by others: what is kept of another one must not follow."""
        self._compare(analysis_id, "", Answer(b"", "", version=version))

    def forget(self, analysis_id: str, owner: UUID | None = None) -> None:
        """The analysis changed, or may have: drop what is kept, and let no read that has begun be kept. With an owner,
        who tried to change it or found it missing: only if it is that owner's, for nobody else changes anything."""
        others = {each for each in self._readings.pop(analysis_id, ()) if owner not in (None, each.owner)}
        if others:
            self._readings[analysis_id] = others
        kept = self._kept.get(analysis_id)
        if kept is not None and owner in (None, kept.owner):
            self._drop(analysis_id)

    async def _load(self, kind: str, analysis_id: str, owner: UUID, load: Callable[[], Awaitable[Answer]]) -> Answer:
        reading, hearing = _Reading(owner, kind, set()), self._who_hears()
        self._readings.setdefault(analysis_id, set()).add(reading)
        try:
            answer = await load()
        except RequestError:
            self.forget(analysis_id, owner)
            raise
        finally:
            is_valid = self._end(analysis_id, reading)
        self._compare(analysis_id, kind, answer)
        is_alone = reading.shown <= {("version", answer.version), ("etag", answer.etag)}
        if is_valid and is_alone and answer.keep_seconds:
            self._keep(kind, analysis_id, owner, answer, hearing if hearing == self._who_hears() else DEAF)
        return answer

    def _stale(self, kind: str, analysis_id: str, owner: UUID) -> Answer | None:
        """The kept answer, marked with its age (RFC 9111, RFC 9211)."""
        copy, now = self._find(kind, analysis_id, owner), self._clock()
        if copy is None or now >= copy.fresh_until + STALE_SECONDS:
            return None
        age = int(now - copy.kept_at)
        mark = b"mediaanalysis; hit; ttl=%d; detail=stale" % -age
        headers = (*copy.answer.headers, (b"age", b"%d" % age), (b"cache-status", mark))
        return msgspec.structs.replace(copy.answer, headers=headers)

    def _find(self, kind: str, analysis_id: str, owner: UUID) -> _Copy | None:
        kept = self._kept.get(analysis_id)
        return kept.copies.get(kind) if kept is not None and kept.owner == owner else None

    def _is_fresh(self, copy: _Copy) -> bool:
        return copy.hearing == self._who_hears() != DEAF and self._clock() < copy.fresh_until

    def _who_hears(self) -> int:
        """The connection that hears of changes now, as a number."""
        ear = self._ear()
        if ear is not self._heard_by:
            self._heard_by = ear
            self._hearing += 1
        return DEAF if ear is None else self._hearing

    def _end(self, analysis_id: str, reading: _Reading) -> bool:
        """Whether no change of the analysis was heard of while it was read."""
        readings = self._readings.get(analysis_id, set())
        is_valid = reading in readings
        readings.discard(reading)
        if not readings:
            self._readings.pop(analysis_id, None)
        return is_valid

    def _compare(self, analysis_id: str, kind: str, answer: Answer) -> None:
        """The answer is about to be shown: tell the reads under way, and drop what is kept of another state."""
        for reading in self._readings.get(analysis_id, ()):
            reading.shown.update(_signs(kind, answer, reading.kind))
        kept = self._kept.get(analysis_id)
        if kept is not None and any(_differ(answer, kind, *other) for other in kept.copies.items()):
            self._drop(analysis_id)

    def _drop(self, analysis_id: str) -> None:
        if kept := self._kept.pop(analysis_id, None):
            self._size_bytes -= kept.size_bytes

    def _keep(self, kind: str, analysis_id: str, owner: UUID, answer: Answer, hearing: int) -> None:
        if len(answer.body) > min(MAX_ENTRY_BYTES, self._max_bytes):
            return
        now = self._clock()
        kept = self._kept.setdefault(analysis_id, _Kept(owner, {}, 0))
        before = kept.size_bytes
        kept.copies[kind] = _Copy(answer, hearing, now, now + answer.keep_seconds)
        kept.size_bytes = ENTRY_OVERHEAD_BYTES + sum(len(each.answer.body) for each in kept.copies.values())
        self._size_bytes += kept.size_bytes - before
        self._kept.move_to_end(analysis_id)
        while self._size_bytes > self._max_bytes:
            self._size_bytes -= self._kept.popitem(last=False)[1].size_bytes


def _signs(kind: str, answer: Answer, reading_kind: str) -> Iterable[tuple[str, object]]:
    """What a read of a kind must show itself to agree with the answer."""
    yield "version", answer.version
    if kind == reading_kind:
        yield "etag", answer.etag


def _differ(answer: Answer, kind: str, other_kind: str, other: _Copy) -> bool:
    return answer.version != other.answer.version or (kind == other_kind and answer.etag != other.answer.etag)
