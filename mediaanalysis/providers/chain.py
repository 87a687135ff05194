"""One call after another until one gives a result: fall back, wait a little, give up; and keep account of all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from mediaanalysis import log
from mediaanalysis.breaker import Breaker
from mediaanalysis.errors import ProviderError
from mediaanalysis.metrics import Metrics
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.cooling import Cooling
from mediaanalysis.providers.costs import cost_usd
from mediaanalysis.providers.turns import Turns
from mediaanalysis.providers.vendors.failures import Failure, Kind
from mediaanalysis.providers.wire import Metered
from mediaanalysis.structs.jobs import Job
from mediaanalysis.structs.usage import Call

Result = TypeVar("Result")

TRIES = 3
"""Calls of one candidate for one request, besides those that only met somebody busy."""
WAIT_SECONDS = 30.0
"""Waited in all for one request, holding its slot; longer waits are the queue's."""
MOST_CALLS = 50
"""For one request, by anybody: a vendor that is busy for a millisecond, over and over, is not asked for ever."""
SHORTEST_WAIT_SECONDS = 0.05
BACKOFF_FIRST_SECONDS = 0.5
BUSY_SECONDS = 2.0
"""A provider that is busy and does not say for how long."""

_log = log.get("providers")


class Taken(Struct, Generic[Result], frozen=True):
    """A result, and what it took."""

    value: Result
    metered: Metered | None = None
    request_id: str | None = None


@dataclass(slots=True)
class _Request(Generic[Result]):
    """One request under way: what was called, how often and how long was waited, and what may do later."""

    call: Callable[[Candidate], Awaitable[Taken[Result]]]
    job: Job | None
    calls: list[Call] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    made: int = 0
    waited_seconds: float = 0
    passing: Failure | None = None


class Chain:
    """`permits`: calls at once, by provider, in this process; `turns`: over all of them."""

    def __init__(
        self,
        metrics: Metrics,
        cooling: Cooling,
        permits: dict[str, int],
        turns: Turns | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sleep, self._chance = sleep, chance
        self._metrics = metrics
        self._cooling = cooling
        self._turns = turns or Turns()
        self._permits = {name: asyncio.Semaphore(count) for name, count in permits.items()}
        self._breakers: dict[str, Breaker] = {}

    async def first(
        self,
        candidates: Sequence[Candidate],
        call: Callable[[Candidate], Awaitable[Taken[Result]]],
        calls: list[Call] | None = None,
        job: Job | None = None,
    ) -> tuple[Candidate, Result, tuple[Call, ...]]:
        """The first result, who gave it, and the path taken; `calls` grows by it as calls end, cut off ones too.

        What is wrong with the request or the key is raised at once, and the last failure where nobody is left; both
        carry the path in `calls`. Where any failure was temporary the error is retryable, with the shortest wait that
        was asked for. StaleJob: the job is no longer held.
        """
        request = _Request(call, job, [] if calls is None else calls)
        left = list(candidates)
        while True:
            failures: dict[str, Failure] = {}
            for candidate in left:
                got = await self._try(request, candidate)
                if not isinstance(got, Failure):
                    return candidate, got.value, tuple(request.calls)
                failures[candidate.label] = got
                if not got.effect.next_one:
                    raise _with_path(got, request.calls)
            left = [one for one in left if failures[one.label].effect.temporary]
            if not left:
                raise _with_path(request.passing or failures.popitem()[1], request.calls)
            request.passing = _soonest([failures[one.label] for one in left])
            await self._wait(request, [(one, failures[one.label]) for one in left])
            left = [one for one in left if request.tries.get(one.label, 0) < TRIES]

    async def _try(self, request: _Request[Result], candidate: Candidate) -> Taken[Result] | Failure:
        provider = candidate.provider
        async with self._permits[provider], self._turns.hold(provider, request.job):
            breaker = self._breakers.setdefault(candidate.label, Breaker())
            pause = await self._cooling.remaining_seconds(candidate.provider)
            if pause:
                return _left_alone(candidate, pause)
            if not breaker.allows():
                return _shut_out(candidate, breaker)
            request.made += 1
            got = await self._call(request, candidate, breaker)
        if isinstance(got, Failure) and got.kind in {Kind.BUSY, Kind.QUOTA}:
            pause = got.retry_after_seconds or BUSY_SECONDS
            await self._cooling.cool(candidate.provider, pause, f"{got.kind}: {got.detail}")
        else:
            request.tries[candidate.label] = request.tries.get(candidate.label, 0) + 1
        return got

    async def _call(self, request: _Request[Result], candidate: Candidate, breaker: Breaker) -> Taken[Result] | Failure:
        """One call, counted against or for the candidate, and written down."""
        started = time.monotonic()
        try:
            got: Taken[Result] | Failure = await request.call(candidate)
        except Failure as failure:
            got = failure
        except BaseException:
            breaker.abandoned()
            cut_off = Failure(Kind.CANCELLED, "cut off before its end", provider=candidate.provider)
            request.calls.append(_record(candidate, cut_off, len(request.calls) + 1, started))
            self._observe(candidate, "cancelled", started)
            raise
        if isinstance(got, Failure) and got.effect.sick:
            breaker.failed()
        else:
            breaker.succeeded()
        call = _record(candidate, got, len(request.calls) + 1, started)
        request.calls.append(call)
        self._observe(candidate, call.outcome, started)
        if isinstance(got, Failure):
            _log.warning("provider_call_failed", **{k: v for k, v in msgspec.structs.asdict(call).items() if v})
        return got

    async def _wait(self, request: _Request[Result], failures: Sequence[tuple[Candidate, Failure]]) -> None:
        """Until the first of them may be asked again. Raises where that is too long, or nobody has a try left."""
        again = [failure for one, failure in failures if request.tries.get(one.label, 0) < TRIES]
        backoff = BACKOFF_FIRST_SECONDS * 2.0 ** max(request.tries.values(), default=0)
        wait = min((failure.wait_seconds or backoff for failure in again), default=float("inf"))
        wait = max(wait, SHORTEST_WAIT_SECONDS)
        wait *= 1 + self._chance() / 4  # so that those who wait together do not come back together
        if request.waited_seconds + wait > WAIT_SECONDS or request.made >= MOST_CALLS:
            raise _with_path(_soonest([failure for _, failure in failures]), request.calls)
        request.waited_seconds += wait
        await self._sleep(wait)

    def _observe(self, candidate: Candidate, outcome: str, started: float) -> None:
        labels = (candidate.provider, candidate.model.operation.value)
        self._metrics.provider_calls.labels(*labels, outcome).inc()
        self._metrics.provider_call_seconds.labels(*labels).observe(time.monotonic() - started)


def _left_alone(candidate: Candidate, seconds: float) -> Failure:
    """It asked for that, so all workers leave it alone."""
    detail = f"{candidate.model.name} is not called for {seconds:.0f} s: it asked to be left alone"
    return Failure(Kind.BUSY, detail, provider=candidate.provider, retry_after_seconds=seconds)


def _shut_out(candidate: Candidate, breaker: Breaker) -> Failure:
    """It failed here, with this model: no reason for others to leave the provider alone."""
    detail = f"{candidate.model.name} is not called: it failed too often"
    failure = Failure(Kind.FAILED, detail, provider=candidate.provider)
    failure.wait_seconds = max(1.0, breaker.retry_after_seconds)
    return failure


def _soonest(failures: Sequence[Failure]) -> Failure:
    """The failure of the one who may be asked again first; without a wish of its own that is by the queue's rule."""
    return min(failures, key=lambda failure: failure.wait_seconds or 0)


def _with_path(error: Failure, calls: Sequence[Call]) -> ProviderError:
    error.calls = tuple(calls)
    return error


def _record(candidate: Candidate, got: Taken[Result] | Failure, attempt: int, started: float) -> Call:
    metered = got.metered or Metered()
    return Call(
        provider=candidate.provider,
        model=candidate.model.name,
        operation=candidate.model.operation.value,
        outcome=got.kind.value if isinstance(got, Failure) else "done",
        attempt=attempt,
        latency_ms=round(1000 * (time.monotonic() - started)),
        input_tokens=metered.input_tokens or 0,
        output_tokens=metered.output_tokens or 0,
        audio_seconds=metered.seconds or 0.0,
        cost_usd=cost_usd(candidate.model.price, got.metered),
        request_id=got.request_id,
        detail=got.detail if isinstance(got, Failure) else None,
    )
