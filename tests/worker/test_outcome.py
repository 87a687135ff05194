"""What becomes of an attempt: pure, so by table."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from mediaanalysis.errors import FetchError, MediaError, ProviderError, StaleJob, StoreError
from mediaanalysis.storage import faults
from mediaanalysis.store.jobs import Abandoned
from mediaanalysis.structs.jobs import Ending, Job
from mediaanalysis.worker import outcome

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def job(attempt: int = 1, max_attempts: int = 5) -> Job:
    return Job(7, 3, "analyze", attempt, max_attempts, 0, UUID(int=1), UUID(int=2), NOON, {})


def abandoned(*, crashes: int = 0, attempt: int = 1, lost: bool = True) -> Abandoned:
    return Abandoned(7, 3, "analyze", None, attempt, 5, crashes, lost)


def test_the_media_s_fault_is_final() -> None:
    ending = outcome.of_error(job(), MediaError("broken"), 0)
    assert ending == Ending(7, 3, "fail", code="media_damaged", message="broken")


def test_what_may_work_later_is_tried_later() -> None:
    ending = outcome.of_error(job(), FetchError("slow"), 0)
    assert (ending.verb, ending.code, ending.message) == ("retry", "fetch_failed", "slow")


def test_the_last_attempt_is_the_last() -> None:
    assert outcome.of_error(job(attempt=5), FetchError("slow"), 0).verb == "fail"


def test_a_fault_of_ours_is_tried_again_and_says_nothing_of_the_inside() -> None:
    ending = outcome.of_error(job(), ValueError("secret"), 0)
    assert (ending.verb, ending.code, "secret" in str(ending.message)) == ("retry", "internal", False)


def test_a_database_that_went_away_burns_no_attempt() -> None:
    ending = outcome.of_error(job(attempt=5), StoreError("gone", is_away=True), 0)
    assert (ending.verb, ending.delay_seconds, ending.code) == ("defer", outcome.OUTAGE_SECONDS, "database_unavailable")
    assert outcome.of_error(job(), StoreError("a deadlock"), 0).verb == "retry"
    assert outcome.of_error(job(), StoreError("refused", code="internal", retryable=False), 0).verb == "fail"


def test_a_full_disk_is_given_time() -> None:
    ending = outcome.of_error(job(), faults.disk_full(), 0)
    assert (ending.verb, ending.delay_seconds, ending.code) == ("retry", faults.DISK_SECONDS, "disk_full")


def test_a_job_that_is_no_longer_wanted_goes() -> None:
    assert outcome.of_error(job(), StaleJob("gone"), 0).verb == "cancel"


@pytest.mark.parametrize(("attempt", "draw", "seconds"), [(1, 0, 2.5), (1, 1, 5), (2, 1, 10), (3, 0, 10), (60, 1, 900)])
def test_waits_double_up_to_a_bound_and_are_spread(attempt: int, draw: float, seconds: float) -> None:
    assert outcome.backoff_seconds(attempt, draw) == seconds


def test_the_other_side_s_wish_is_honoured_where_it_is_longer() -> None:
    error = ProviderError("slow down", provider="deepgram", retryable=True, retry_after_seconds=60)
    error.calls = ("one that was made",)
    assert outcome.of_error(job(), error, 1).delay_seconds == 60
    assert outcome.of_error(job(attempt=4, max_attempts=9), error, 1).delay_seconds == 60
    assert outcome.of_error(job(attempt=6, max_attempts=9), error, 1).delay_seconds == 160


@pytest.mark.parametrize(("wish_seconds", "pause_seconds"), [(60, 60), (float("inf"), 900)])
def test_nobody_was_called_so_no_attempt_is_burnt(wish_seconds: float, pause_seconds: float) -> None:
    error = ProviderError("all rest", provider="deepgram", retry_after_seconds=wish_seconds)
    ending = outcome.of_error(job(attempt=5), error, 0)
    assert (ending.verb, ending.delay_seconds) == ("defer", pause_seconds)


@pytest.mark.parametrize(("crashes", "verb", "code"), [(0, "crash", None), (1, "crash", None), (2, "fail", "poison")])
def test_the_third_lost_worker_is_quarantine(crashes: int, verb: str, code: str | None) -> None:
    ending = outcome.of_abandoned(abandoned(crashes=crashes), 0)
    assert (ending.verb, ending.code) == (verb, code)


@pytest.mark.parametrize(("attempt", "verb"), [(1, "retry"), (5, "fail")])
def test_a_silent_attempt_counts(attempt: int, verb: str) -> None:
    ending = outcome.of_abandoned(abandoned(attempt=attempt, lost=False), 0)
    assert (ending.verb, ending.code) == (verb, "deadline")
