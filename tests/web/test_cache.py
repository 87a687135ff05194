from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from mediaanalysis.errors import RequestError, StoreError
from mediaanalysis.metrics import Metrics
from mediaanalysis.web.responses.cache import STALE_SECONDS, Answer, Cache

OWNER, STRANGER = UUID(int=1), UUID(int=2)
ANSWER = Answer(b"{}", '"1"', keep_seconds=300)


class Ear:
    """Who hears of changes in the database."""

    connection: object | None = "first"

    def __call__(self) -> object | None:
        return self.connection


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def cache(ear: Ear, metrics: Metrics) -> Cache:
    return Cache(ear, metrics, max_bytes=100_000)


def loading(answer: Answer, meanwhile: Callable[[], None] = lambda: None) -> Callable[[], Awaitable[Answer]]:
    async def load() -> Answer:
        meanwhile()
        return answer

    return load


async def test_an_answer_is_kept_for_its_owner_alone(cache: Cache, metrics: Metrics) -> None:
    assert await cache.read("status", "a", OWNER, loading(ANSWER)) is ANSWER
    assert cache.get("status", "a", OWNER) is ANSWER
    assert cache.get("status", "a", STRANGER) is None
    assert cache.get("result", "a", OWNER) is None
    assert b'mediaanalysis_cache_lookups_total{outcome="hit"} 1.0' in metrics.text()
    assert b'mediaanalysis_cache_lookups_total{outcome="miss"} 1.0' in metrics.text()
    assert b"mediaanalysis_cache_entries 1.0" in metrics.text()


async def test_who_does_not_own_it_forgets_nothing(cache: Cache) -> None:
    def others() -> None:
        cache.forget("a", STRANGER)

    await cache.read("status", "a", OWNER, loading(ANSWER, others))
    cache.forget("a", STRANGER)
    assert cache.get("status", "a", OWNER) is ANSWER
    cache.forget("a", OWNER)
    assert cache.get("status", "a", OWNER) is None
    await cache.read("status", "a", OWNER, loading(ANSWER, lambda: cache.forget("a", OWNER)))
    assert cache.get("status", "a", OWNER) is None


async def test_nobody_is_told_of_another_s_while_it_is_read(cache: Cache) -> None:
    """A stranger's read, which finds nothing, leaves the owner's alone."""

    async def missing() -> Answer:
        raise RequestError("No such analysis.", code="not_found")

    async def load() -> Answer:
        with pytest.raises(RequestError):
            await cache.read("status", "a", STRANGER, missing)
        return ANSWER

    await cache.read("status", "a", OWNER, load)
    assert cache.get("status", "a", OWNER) is ANSWER


async def test_what_may_not_be_kept_is_not(cache: Cache) -> None:
    await cache.read("status", "a", OWNER, loading(Answer(b"{}", '"1"')))
    await cache.read("status", "b", OWNER, loading(Answer(b"x" * 4_000_000, '"1"', keep_seconds=300)))
    assert cache.get("status", "a", OWNER) is None
    assert cache.get("status", "b", OWNER) is None


async def test_a_change_drops_every_answer_about_it(cache: Cache) -> None:
    await cache.read("status", "a", OWNER, loading(ANSWER))
    await cache.read("result", "a", OWNER, loading(ANSWER))
    cache.forget("a")
    assert cache.get("status", "a", OWNER) is None
    assert cache.get("result", "a", OWNER) is None


async def test_a_read_overtaken_by_a_change_is_answered_and_not_kept(cache: Cache) -> None:
    assert await cache.read("status", "a", OWNER, loading(ANSWER, lambda: cache.forget("a"))) is ANSWER
    assert cache.get("status", "a", OWNER) is None


async def test_a_failed_read_leaves_nothing(cache: Cache) -> None:
    def fail() -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await cache.read("status", "a", OWNER, loading(ANSWER, fail))
    await cache.read("status", "a", OWNER, loading(ANSWER))
    assert cache.get("status", "a", OWNER) is ANSWER


async def test_nothing_is_served_or_kept_while_nobody_listens(cache: Cache, ear: Ear) -> None:
    await cache.read("status", "a", OWNER, loading(ANSWER))
    ear.connection = None
    assert cache.get("status", "a", OWNER) is None
    await cache.read("status", "b", OWNER, loading(ANSWER))
    ear.connection = "first"
    assert cache.get("status", "a", OWNER) is None
    assert cache.get("status", "b", OWNER) is None


async def test_a_gap_in_listening_that_nobody_noticed(cache: Cache, ear: Ear) -> None:
    await cache.read("status", "a", OWNER, loading(ANSWER))

    def reconnect() -> None:
        ear.connection = "second"

    await cache.read("status", "b", OWNER, loading(ANSWER, reconnect))
    assert cache.get("status", "a", OWNER) is None
    assert cache.get("status", "b", OWNER) is None


async def away() -> Answer:
    raise StoreError("the database is away")


@dataclass
class Clock:
    now: float = 1000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(ear: Ear, metrics: Metrics, clock: Clock) -> Cache:
    return Cache(ear, metrics, clock=clock)


async def test_time_to_live(timed: Cache, clock: Clock) -> None:
    await timed.read("status", "a", OWNER, loading(ANSWER))
    clock.now += 299.9
    assert timed.get("status", "a", OWNER) is ANSWER
    clock.now += 0.1
    assert timed.get("status", "a", OWNER) is None


async def test_while_the_database_is_away_the_last_answer_is_given_with_its_age(
    timed: Cache, clock: Clock, ear: Ear, metrics: Metrics
) -> None:
    await timed.read("status", "a", OWNER, loading(ANSWER))
    ear.connection = None
    clock.now += 12.7
    stale = await timed.read("status", "a", OWNER, away)
    assert (stale.body, stale.etag) == (ANSWER.body, ANSWER.etag)
    assert (b"age", b"12") in stale.headers
    assert (b"cache-status", b"mediaanalysis; hit; ttl=-12; detail=stale") in stale.headers
    assert b'mediaanalysis_cache_lookups_total{outcome="stale"} 1.0' in metrics.text()
    for kind, owner in (("result", OWNER), ("status", STRANGER)):
        with pytest.raises(StoreError):
            await timed.read(kind, "a", owner, away)
    ear.connection = "second"
    assert timed.get("status", "a", OWNER) is None
    assert await timed.read("status", "a", OWNER, loading(ANSWER)) is ANSWER
    assert timed.get("status", "a", OWNER) is ANSWER


async def test_a_stale_answer_has_its_end(timed: Cache, clock: Clock) -> None:
    await timed.read("status", "a", OWNER, loading(ANSWER))
    clock.now += 300 + STALE_SECONDS
    with pytest.raises(StoreError):
        await timed.read("status", "a", OWNER, away)


async def test_what_changed_is_not_given_even_as_stale(timed: Cache, ear: Ear) -> None:
    await timed.read("status", "a", OWNER, loading(ANSWER))
    timed.forget("a")
    with pytest.raises(StoreError):
        await timed.read("status", "a", OWNER, away)


async def gone() -> Answer:
    raise RequestError("The analysis was deleted.", code="deleted")


async def test_what_is_gone_does_not_come_back_and_a_stranger_takes_nothing_away(timed: Cache) -> None:
    await timed.read("status", "a", OWNER, loading(ANSWER))
    with pytest.raises(RequestError):
        await timed.read("status", "a", STRANGER, gone)
    assert timed.get("status", "a", OWNER) is ANSWER
    with pytest.raises(RequestError):
        await timed.read("result", "a", OWNER, gone)
    assert timed.get("status", "a", OWNER) is None


async def test_an_error_that_is_not_an_outage_is_told(timed: Cache, ear: Ear) -> None:
    await timed.read("status", "a", OWNER, loading(ANSWER))
    ear.connection = None

    async def refused() -> Answer:
        raise StoreError("refused", code="internal")

    with pytest.raises(StoreError):
        await timed.read("status", "a", OWNER, refused)


async def test_what_others_showed_of_another_version_drops_it(timed: Cache) -> None:
    await timed.read("status", "a", OWNER, loading(ANSWER))
    timed.saw("a", None)
    assert timed.get("status", "a", OWNER) is ANSWER
    timed.saw("a", "next")
    assert timed.get("status", "a", OWNER) is None


async def test_the_least_recently_used_leaves_first(cache: Cache) -> None:
    big = Answer(b"x" * 30_000, '"1"', keep_seconds=300)
    for name in ("a", "b", "c"):
        await cache.read("status", name, OWNER, loading(big))
    assert cache.get("status", "a", OWNER)
    await cache.read("status", "d", OWNER, loading(big))
    assert cache.get("status", "b", OWNER) is None
    assert all(cache.get("status", name, OWNER) for name in ("a", "c", "d"))


async def test_of_two_reads_at_once_that_differ_neither_is_kept(cache: Cache) -> None:
    """The one that answers last may have looked first."""
    looked, others = asyncio.Event(), Answer(b"[]", '"2"', keep_seconds=300)

    async def slow() -> Answer:
        await looked.wait()
        return ANSWER

    reading = asyncio.create_task(cache.read("status", "a", OWNER, slow))
    await asyncio.sleep(0)
    assert await cache.read("status", "a", OWNER, loading(others)) is others
    looked.set()
    assert await reading is ANSWER
    assert cache.get("status", "a", OWNER) is None
