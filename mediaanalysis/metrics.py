"""Metrics: one literal table, one registry per process, in Prometheus' text form at `/metrics`."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metric(NamedTuple):
    """One row of the table: attribute and metric name, what it counts, labels, and buckets (histograms only)."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


TABLE = (
    Metric(Histogram, "http_request_seconds", "HTTP requests", ("method", "route", "status"), FAST),
    Metric(Counter, "upload_bytes", "Bytes received in uploads"),
    Metric(Counter, "cache_lookups", "Lookups in the response cache", ("outcome",)),
    Metric(Gauge, "cache_entries", "Responses in the cache"),
    Metric(Counter, "analyses_accepted", "Analyses accepted", ("media_type",)),
    Metric(Histogram, "stage_seconds", "Stages of analyses", ("stage", "state"), SLOW),
    Metric(Counter, "provider_calls", "Calls of providers", ("provider", "operation", "outcome")),
    Metric(Histogram, "provider_call_seconds", "Calls of providers", ("provider", "operation"), SLOW),
    Metric(Histogram, "job_seconds", "Jobs, from claim to outcome", ("kind", "outcome"), SLOW),
    Metric(Histogram, "job_wait_seconds", "Jobs, from due to claimed", ("kind",), SLOW),
    Metric(Counter, "jobs_stale", "Outcomes dropped because the fence moved on", ("kind",)),
    Metric(Gauge, "worker_slots", "Jobs this process may run at once"),
    Metric(Gauge, "worker_busy", "Jobs this process runs now"),
    Metric(Gauge, "queue_jobs", "Jobs in the queue", ("kind", "state")),
    Metric(Gauge, "queue_oldest_seconds", "Wait of the oldest due job", ("kind",)),
    Metric(Gauge, "pool_connections", "Database connections", ("state",)),
    Metric(Gauge, "database_up", "1 while the database answers"),
    Metric(Gauge, "database_health", "1 for the state the database is in", ("state",)),
    Metric(Gauge, "disk_used_ratio", "Used share of the disk under the storage"),
    Metric(Gauge, "event_loop_lag_seconds", "Longest delay of the event loop since the last scrape"),
)


class Metrics:
    """Every metric of the table as an attribute: `metrics.stage_seconds.labels("probe", "done").observe(0.2)`."""

    http_request_seconds: Histogram
    upload_bytes: Counter
    cache_lookups: Counter
    cache_entries: Gauge
    analyses_accepted: Counter
    stage_seconds: Histogram
    provider_calls: Counter
    provider_call_seconds: Histogram
    job_seconds: Histogram
    job_wait_seconds: Histogram
    jobs_stale: Counter
    worker_slots: Gauge
    worker_busy: Gauge
    queue_jobs: Gauge
    queue_oldest_seconds: Gauge
    pool_connections: Gauge
    database_up: Gauge
    database_health: Gauge
    disk_used_ratio: Gauge
    event_loop_lag_seconds: Gauge

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        for row in TABLE:
            setattr(self, row.name, self._build(row))

    def _build(self, row: Metric) -> Counter | Gauge | Histogram:
        name = f"mediaanalysis_{row.name}"
        if row.kind is Histogram:
            return Histogram(name, row.about, row.labels, buckets=row.buckets, registry=self.registry)
        return row.kind(name, row.about, row.labels, registry=self.registry)

    def text(self) -> bytes:
        """The exposition, in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)


LOOK_SECONDS = 0.02


async def watch_event_loop(metrics: Metrics) -> None:
    """Measure how late the event loop is: for ever, at 50 looks per second. Asking for the figure starts it anew."""
    loop = asyncio.get_running_loop()
    longest = [0.0]

    def take() -> float:
        lag, longest[0] = longest[0], 0.0
        return lag

    metrics.event_loop_lag_seconds.set_function(take)
    while True:
        before = loop.time()
        await asyncio.sleep(LOOK_SECONDS)
        longest[0] = max(longest[0], loop.time() - before - LOOK_SECONDS)
