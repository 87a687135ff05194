from __future__ import annotations

from dataclasses import dataclass

from mediaanalysis.breaker import Breaker, State


@dataclass
class Clock:
    now: float = 0

    def __call__(self) -> float:
        return self.now


def _opened() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(failures=2, open_seconds=30, trials=2, clock=clock)
    breaker.failed()
    breaker.failed()
    return breaker, clock


def test_success_in_between_keeps_it_closed() -> None:
    breaker = Breaker(failures=2)
    for _ in range(3):
        breaker.failed()
        breaker.succeeded()
    assert breaker.state is State.CLOSED
    assert breaker.retry_after_seconds == 0


def test_opens_after_failures_in_a_row_and_says_for_how_long() -> None:
    breaker, clock = _opened()
    clock.now = 10
    assert breaker.state is State.OPEN
    assert not breaker.allows()
    assert breaker.retry_after_seconds == 20


def test_half_open_lets_only_the_trials_through_and_closes_when_all_succeed() -> None:
    breaker, clock = _opened()
    clock.now = 30
    assert [breaker.allows() for _ in range(3)] == [True, True, False]
    breaker.succeeded()
    assert breaker.state is State.HALF_OPEN
    breaker.succeeded()
    assert breaker.state is State.CLOSED
    assert breaker.allows()


def test_a_failed_trial_opens_it_again_for_the_whole_time() -> None:
    breaker, clock = _opened()
    clock.now = 30
    assert breaker.allows()
    breaker.failed()
    assert breaker.state is State.OPEN
    clock.now = 59
    assert not breaker.allows()
    clock.now = 60
    assert breaker.allows()


def test_it_may_be_tried_at_once_when_it_is_known_to_be_back() -> None:
    breaker, _ = _opened()
    breaker.try_now()
    assert [breaker.allows() for _ in range(3)] == [True, True, False]
    breaker.succeeded()
    breaker.succeeded()
    assert breaker.state is State.CLOSED
    breaker.try_now()
    assert breaker.state is State.CLOSED


def test_a_trial_that_was_stopped_is_another_s() -> None:
    breaker, clock = _opened()
    clock.now = 30
    assert [breaker.allows(), breaker.allows(), breaker.allows()] == [True, True, False]
    breaker.abandoned()
    assert breaker.allows()
