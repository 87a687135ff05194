"""How long jobs waited and ran. Each series is looked up once: a look costs more than what it counts."""

from __future__ import annotations

from functools import cache

from mediaanalysis.metrics import Metrics


class Timing:
    def __init__(self, metrics: Metrics) -> None:
        self._wait = cache(lambda kind: metrics.job_wait_seconds.labels(kind).observe)
        self._run = cache(lambda kind, verb: metrics.job_seconds.labels(kind, verb).observe)

    def waited(self, kind: str, seconds: float) -> None:
        """From due to claimed; clocks may differ."""
        self._wait(kind)(max(0.0, seconds))

    def ended(self, kind: str, verb: str, seconds: float) -> None:
        """From claimed to how it ended."""
        self._run(kind, verb)(seconds)
