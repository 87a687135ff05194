"""How the worker of a process is, in words that both edges know."""

from __future__ import annotations

from msgspec import Struct


class WorkerHealth(Struct, frozen=True):
    """`ready`: this process claims and runs jobs. `faults` say what does not work now, by part."""

    ready: bool
    worker_id: int | None
    slots: int
    running: int
    draining: bool
    silent_seconds: float
    restarts: int
    faults: dict[str, str]
