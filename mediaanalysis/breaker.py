"""A circuit breaker: stop calling what keeps failing, try again carefully. Pure: the caller owns the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class Breaker:
    """Opens after `failures` in a row; after `open_seconds` lets `trials` calls through, and closes when all succeed.

    Call `allows()` before, then exactly one of `succeeded()`, `failed()` and `abandoned()` after.
    """

    failures: int = 5
    open_seconds: float = 30
    trials: int = 3
    clock: Callable[[], float] = monotonic
    _failed: int = 0
    _opened_at: float | None = None
    _started: int = 0
    _passed: int = 0

    @property
    def state(self) -> State:
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self.clock() - self._opened_at < self.open_seconds else State.HALF_OPEN

    @property
    def retry_after_seconds(self) -> float:
        """How long until a trial call is let through; 0 when calls are."""
        if self._opened_at is None:
            return 0
        return max(0, self._opened_at + self.open_seconds - self.clock())

    def allows(self) -> bool:
        match self.state:
            case State.CLOSED:
                return True
            case State.OPEN:
                return False
        if self._started >= self.trials:
            return False
        self._started += 1
        return True

    def succeeded(self) -> None:
        self._failed = 0
        if self._opened_at is None:
            return
        self._passed += 1
        if self._passed >= self.trials:
            self._opened_at = None

    def failed(self) -> None:
        self._failed += 1
        if self._opened_at is not None or self._failed >= self.failures:
            self._opened_at, self._started, self._passed = self.clock(), 0, 0

    def try_now(self) -> None:
        """What watches it says that it is back: trials may begin, though the time is not up."""
        if self._opened_at is not None:
            self._opened_at, self._started, self._passed = self.clock() - self.open_seconds, 0, 0

    def abandoned(self) -> None:
        """The call was stopped before it showed anything: its trial may be another's."""
        self._started = max(0, self._started - 1)
