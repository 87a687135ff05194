"""One candidate after the other: when the next gets its turn, how long is waited, what is raised, what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mediaanalysis.errors import ProviderError, StoreError
from mediaanalysis.metrics import Metrics
from mediaanalysis.providers.catalogue import Model, Operation, Price
from mediaanalysis.providers.chain import MOST_CALLS, TRIES, Chain, Taken
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.cooling import Cooling
from mediaanalysis.providers.vendors.failures import NOT_BILLED, Failure, Kind
from mediaanalysis.providers.wire import Metered

PRICE = Price("2026-11-20", per_million_input_tokens=1, per_million_output_tokens=10)
A, B = (Candidate(name, Model("m", Operation.ANSWER, price=PRICE)) for name in "ab")
TOOK = Metered(input_tokens=1000, output_tokens=100)

Script = dict[str, list[Any]]


class Slept(list[float]):
    """Waits, written down instead of waited for."""

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def slept() -> Slept:
    return Slept()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def chain(waits: Slept | None = None, cooling: Cooling | None = None) -> Chain:
    cooling = cooling or Cooling(clock=lambda: 0.0)
    waits = Slept() if waits is None else waits
    return Chain(Metrics(), cooling, {"a": 2, "b": 2}, sleep=waits.sleep, chance=lambda: 0.0)


def failing(kind: Kind, **fields: Any) -> Callable[[str], Failure]:
    return lambda name: Failure(kind, "no", provider=name, **{"metered": NOT_BILLED, **fields})


def playing(script: Script) -> Callable[[Candidate], Awaitable[Taken[str]]]:
    """Each provider's calls, one after the other: a text, or a failure."""

    async def call(candidate: Candidate) -> Taken[str]:
        act = script[candidate.provider].pop(0)
        if isinstance(act, str):
            return Taken(act, TOOK, "request-1")
        raise act(candidate.provider)

    return call


async def test_the_first_result_is_taken_and_written_down() -> None:
    candidate, value, calls = await chain().first([A, B], playing({"a": ["yes"]}))
    assert (candidate, value) == (A, "yes")
    (call,) = calls
    assert (call.provider, call.model, call.operation, call.outcome, call.attempt) == ("a", "m", "answer", "done", 1)
    assert (call.input_tokens, call.output_tokens, call.request_id) == (1000, 100, "request-1")
    assert call.cost_usd == pytest.approx(0.002)


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.TIMEOUT, Kind.UNUSABLE, Kind.BUSY, Kind.QUOTA, Kind.REFUSED])
async def test_the_next_is_tried_after_what_may_be_the_providers_fault(kind: Kind, slept: Slept) -> None:
    candidate, _, calls = await chain(slept).first([A, B], playing({"a": [failing(kind)], "b": ["yes"]}))
    assert candidate == B
    assert [(call.provider, call.outcome, call.attempt) for call in calls] == [("a", kind, 1), ("b", "done", 2)]
    assert not slept


@pytest.mark.parametrize("kind", [Kind.REJECTED, Kind.CREDENTIALS])
async def test_what_is_our_fault_is_raised_at_once(kind: Kind) -> None:
    with pytest.raises(ProviderError) as raised:
        await chain().first([A, B], playing({"a": [failing(kind)], "b": ["never"]}))
    assert (raised.value.retryable, len(raised.value.calls)) == (False, 1)


async def test_the_same_one_is_tried_again_after_a_wait(slept: Slept) -> None:
    script: Script = {"a": [failing(Kind.FAILED), failing(Kind.BUSY, retry_after_seconds=3.0), "yes"]}
    _, _, calls = await chain(slept, Cooling(clock=lambda: sum(slept))).first([A], playing(script))
    assert [call.outcome for call in calls] == ["failed", "busy", "done"]
    assert slept == [1.0, 3.0]


async def test_tries_end_and_the_error_says_that_later_may_do(slept: Slept) -> None:
    with pytest.raises(ProviderError) as raised:
        await chain(slept).first([A], playing({"a": [failing(Kind.FAILED)] * TRIES}))
    assert raised.value.retryable
    assert raised.value.retry_after_seconds is None
    assert len(raised.value.calls) == TRIES
    assert len(slept) == TRIES - 1


async def test_a_long_wish_is_left_to_the_queue(slept: Slept) -> None:
    wishes = {"a": [failing(Kind.BUSY, retry_after_seconds=90.0)], "b": [failing(Kind.BUSY, retry_after_seconds=60.0)]}
    with pytest.raises(ProviderError) as raised:
        await chain(slept).first([A, B], playing(wishes))
    assert (raised.value.provider, raised.value.retry_after_seconds) == ("b", 60.0)
    assert not slept


async def test_a_temporary_failure_outlives_a_lasting_one(slept: Slept) -> None:
    script: Script = {"a": [failing(Kind.REFUSED)], "b": [failing(Kind.FAILED), failing(Kind.REFUSED)]}
    with pytest.raises(ProviderError) as raised:
        await chain(slept).first([A, B], playing(script))
    assert raised.value.retryable
    with pytest.raises(ProviderError) as raised:
        await chain(slept).first([A, B], playing({"a": [failing(Kind.REFUSED)], "b": [failing(Kind.REFUSED)]}))
    assert not raised.value.retryable


async def test_who_is_busy_is_left_alone_by_everybody() -> None:
    told: list[tuple[str, float]] = []

    async def tell(provider: str, seconds: float, _reason: str) -> None:
        told.append((provider, seconds))

    clock = Clock()
    waiting = chain(cooling=Cooling(tell, clock=clock))
    script: Script = {"a": [failing(Kind.BUSY, retry_after_seconds=20.0), "later"], "b": ["yes", "yes"]}
    await waiting.first([A, B], playing(script))
    assert told == [("a", 20.0)]
    candidate, _, calls = await waiting.first([A, B], playing(script))
    assert (candidate, len(calls)) == (B, 1)
    clock.now = 21
    assert (await waiting.first([A, B], playing(script)))[1] == "later"


async def test_what_others_found_is_heeded_and_asked_once_a_second() -> None:
    asked = 0

    async def ask() -> dict[str, float]:
        nonlocal asked
        asked += 1
        return {"a": float("inf")}

    waiting = chain(cooling=Cooling(ask=ask, clock=lambda: 0.0))
    for _ in range(3):
        assert (await waiting.first([A, B], playing({"b": ["yes"]})))[0] == B
    assert asked == 1
    with pytest.raises(ProviderError, match="asked to be left alone") as raised:
        await waiting.first([A], playing({}))
    assert raised.value.retryable


async def test_five_failures_in_a_row_close_the_door(slept: Slept) -> None:
    waiting = chain(slept)
    for _ in range(5):
        await waiting.first([A, B], playing({"a": [failing(Kind.FAILED)], "b": ["yes"]}))
    candidate, _, calls = await waiting.first([A, B], playing({"a": [], "b": ["yes"]}))
    assert (candidate, len(calls)) == (B, 1)
    with pytest.raises(ProviderError, match="failed too often") as raised:
        await waiting.first([A], playing({}))
    assert (raised.value.retryable, raised.value.retry_after_seconds) == (True, None)


async def test_a_cancelled_call_takes_no_trial(slept: Slept) -> None:
    waiting = chain(slept)

    async def hang(_candidate: Candidate) -> Taken[str]:
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(waiting.first([A], hang))
    await asyncio.wait({task}, timeout=0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiting._breakers["a/m"]._started == 0
    assert (await waiting.first([A], playing({"a": ["yes"]})))[1] == "yes"


@pytest.mark.parametrize(
    ("metered", "cost"), [(NOT_BILLED, 0.0), (None, None), (TOOK, 0.002)], ids=["refused", "lost", "billed"]
)
async def test_failures_that_were_billed_count_and_unknown_is_not_nothing(
    metered: Metered | None, cost: float | None
) -> None:
    script: Script = {"a": [failing(Kind.UNUSABLE, metered=metered)], "b": ["yes"]}
    _, _, calls = await chain().first([A, B], playing(script))
    assert calls[0].cost_usd == (cost if cost is None else pytest.approx(cost))


async def test_no_more_calls_at_once_than_the_provider_takes() -> None:
    running = most = 0

    async def call(_candidate: Candidate) -> Taken[str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return Taken("yes", TOOK)

    waiting = chain()
    await asyncio.gather(*(waiting.first([A], call) for _ in range(10)))
    assert most == 2


async def test_meeting_somebody_busy_takes_no_try_but_waiting_ends(slept: Slept) -> None:
    waiting = chain(slept, Cooling(clock=lambda: sum(slept)))
    busy = failing(Kind.BUSY, retry_after_seconds=2.0)
    _, value, calls = await waiting.first([A], playing({"a": [busy] * 10 + ["yes"]}))
    assert (value, len(calls), sum(slept)) == ("yes", 11, 20.0)
    with pytest.raises(ProviderError) as raised:
        await waiting.first([A], playing({"a": [busy] * 100}))
    assert raised.value.retry_after_seconds == 2.0
    assert len(raised.value.calls) == 16


async def test_short_pauses_are_nobody_elses_business() -> None:
    told: list[float] = []

    async def tell(_provider: str, seconds: float, _reason: str) -> None:
        told.append(seconds)

    cooling = Cooling(tell, clock=lambda: 0.0)
    await cooling.cool("a", 0.2, "busy")
    await cooling.cool("a", 5.0, "busy")
    assert told == [5.0]
    assert await cooling.remaining_seconds("a") == 5.0


async def test_a_store_that_is_away_hinders_no_call() -> None:
    async def away(*_: object) -> Any:
        raise StoreError("away")

    cooling = Cooling(away, away, clock=lambda: 0.0)
    await cooling.cool("a", 5.0, "busy")
    assert await cooling.remaining_seconds("a") == 5.0


async def test_a_vendor_that_is_busy_for_a_moment_over_and_over_is_not_asked_for_ever(slept: Slept) -> None:
    waiting = chain(slept, Cooling(clock=lambda: sum(slept)))
    busy = failing(Kind.BUSY, retry_after_seconds=0.001)
    with pytest.raises(ProviderError) as raised:
        await waiting.first([A], playing({"a": [busy] * 1000}))
    assert len(raised.value.calls) == MOST_CALLS
    assert min(slept) >= 0.05
