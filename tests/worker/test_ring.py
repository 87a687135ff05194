"""Whose turn it is, and what need not be read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from mediaanalysis.store.jobs import FIRST_LANE, Claimed, Lane
from mediaanalysis.structs.jobs import Job
from mediaanalysis.worker.ring import Ring

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
A, B, C = (Lane(UUID(int=n), "work") for n in (1, 2, 3))


def claimed(lane: Lane, second: int = 0) -> Claimed:
    job = Job(1, 1, lane.kind, 1, 5, 0, lane.owner_id, None, NOON, {})
    return Claimed(job, NOON + timedelta(seconds=second), NOON)


def test_the_ring_turns_to_the_last_lane_after_the_one_before() -> None:
    ring = Ring()
    assert ring.served == FIRST_LANE
    ring.note([claimed(A), claimed(B)], 0)
    assert ring.served == B
    ring.note([claimed(A), claimed(C)], 0)  # C comes after B, then round to A
    assert ring.served == A
    ring.note([], 0)
    assert ring.served == A


def test_a_quick_claim_leaves_no_floors() -> None:
    ring = Ring()
    ring.note([claimed(A)], 0.001)
    assert ring.floors == {}


def test_after_a_slow_claim_lanes_are_read_from_where_it_ended() -> None:
    ring = Ring()
    assert ring.look(100)
    ring.note([claimed(A, 1), claimed(A, 3), claimed(B, 2)], 0.5)
    assert ring.floors == {A: NOON + timedelta(seconds=3), B: NOON + timedelta(seconds=2)}
    assert not ring.look(100.5)
    ring.note([claimed(A, 9)], 0.001)
    assert ring.floors[A] == NOON + timedelta(seconds=9)


def test_everything_is_looked_at_again_after_a_second() -> None:
    ring = Ring()
    ring.look(100)
    ring.note([claimed(A)], 0.5)
    assert ring.look(101)
    assert ring.floors == {}


def test_a_large_claim_may_take_longer() -> None:
    ring = Ring()
    ring.note([claimed(A)] * 200, 0.045)
    assert ring.floors == {}
