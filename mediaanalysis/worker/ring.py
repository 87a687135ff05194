"""Where the next claim looks: whose turn it is, and what need not be read again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mediaanalysis.store.jobs import FIRST_LANE, Claimed, Lane

SLOW_SECONDS = 0.010
SLOW_SECONDS_EACH = 0.0002
LOOK_AGAIN_SECONDS = 1.0


class Ring:
    """Lanes take turns; `served` had the last one.

    While something pins vacuum, a claim that starts at the head of a lane reads over every job finished since. So
    after a claim that was slow for its size the next ones start where it ended (`floors`), and only there. A job that
    sorts lower, or waits in another lane, is found by the whole claim that follows a second later.
    """

    def __init__(self) -> None:
        self.served = FIRST_LANE
        self.floors: dict[Lane, datetime] = {}
        self._looked_at_seconds = 0.0

    def look(self, now_seconds: float) -> bool:
        """Before a claim: whether to look everywhere, forgetting the floors."""
        if self.floors and now_seconds - self._looked_at_seconds < LOOK_AGAIN_SECONDS:
            return False
        self.floors = {}
        self._looked_at_seconds = now_seconds
        return True

    def note(self, claimed: Sequence[Claimed], took_seconds: float) -> None:
        """After a claim: turn the ring, raise the floors."""
        if not claimed:
            return
        slow = took_seconds > SLOW_SECONDS + SLOW_SECONDS_EACH * len(claimed)
        if slow or self.floors:
            for each in claimed:
                self.floors[each.lane] = max(each.sort_key, self.floors.get(each.lane, each.sort_key))
        self.served = max({each.lane for each in claimed}, key=lambda lane: (lane <= self.served, lane))
