"""Progress: one honest number from 0 to 99, weighted by stage, never falling. 100 is the database's, on completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

LAST_BEFORE_DONE = 99


class Step(Protocol):
    """What progress needs to know of a stage."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> int: ...


class Progress:
    """Starts with the stages known before the media is; `expect` names the rest once its type is known."""

    def __init__(self) -> None:
        self._fractions: dict[str, float] = {}
        self._weights: dict[str, int] = {}
        self._shown = 0
        self._unknown_weight = 90

    def expect(self, stages: Sequence[Step]) -> None:
        self._unknown_weight = 0
        self._weights = {stage.name: stage.weight for stage in stages}

    def update(self, stage: Step, fraction: float) -> int:
        """Record how much of a stage is done (0 to 1; a skipped one is done) and return the percentage to show."""
        self._weights.setdefault(stage.name, stage.weight)
        self._fractions[stage.name] = max(self._fractions.get(stage.name, 0), min(1, max(0, fraction)))
        return self.percent

    @property
    def percent(self) -> int:
        whole = sum(self._weights.values()) + self._unknown_weight
        done = sum(weight * self._fractions.get(name, 0) for name, weight in self._weights.items())
        self._shown = max(self._shown, min(LAST_BEFORE_DONE, int(100 * done / whole)))
        return self._shown
