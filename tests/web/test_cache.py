from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from mediaanalysis.metrics import Metrics
from mediaanalysis.web.responses.cache import Answer, Cache

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
    await cache.read("status", "a", OWNER, loading(ANSWER, cache.forget_all))
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


async def test_time_to_live(ear: Ear, metrics: Metrics) -> None:
    now = 1000.0
    cache = Cache(ear, metrics, clock=lambda: now)
    await cache.read("status", "a", OWNER, loading(ANSWER))
    now = 1299.9
    assert cache.get("status", "a", OWNER) is ANSWER
    now = 1300.0
    assert cache.get("status", "a", OWNER) is None


async def test_the_least_recently_used_leaves_first(cache: Cache) -> None:
    big = Answer(b"x" * 30_000, '"1"', keep_seconds=300)
    for name in ("a", "b", "c"):
        await cache.read("status", name, OWNER, loading(big))
    assert cache.get("status", "a", OWNER)
    await cache.read("status", "d", OWNER, loading(big))
    assert cache.get("status", "b", OWNER) is None
    assert all(cache.get("status", name, OWNER) for name in ("a", "c", "d"))
