"""For those who run the service: is the process alive, can it work, what does it measure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from mediaanalysis import __version__
from mediaanalysis.errors import MediaAnalysisError, StoreError
from mediaanalysis.services import Services
from mediaanalysis.storage.disk import DiskState
from mediaanalysis.store import operations
from mediaanalysis.store.health import DatabaseHealth, Health
from mediaanalysis.web.description import openapi
from mediaanalysis.web.edge import Edge
from mediaanalysis.web.responses import answers
from mediaanalysis.web.responses.answers import PartHealth

Check = Callable[[Edge], Awaitable[PartHealth]]

CHECK_SECONDS = 3.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def health(_edge: Edge, _request: Request) -> Response:
    """The process lives and its event loop turns. What it depends on is not looked at: a restart would not help."""
    return answers.reply(answers.HealthAnswer("ok", "mediaanalysis", __version__))


async def ready(edge: Edge, _request: Request) -> Response:
    """Whether the service can work, part by part; 503 if one of them fails."""
    checks = CHECKS if edge.crew else {name: check for name, check in CHECKS.items() if check is not _worker}
    found = await asyncio.gather(*(_checked(check, edge) for check in checks.values()))
    parts = dict(zip(checks, found, strict=True))
    is_ready = all(part.state != "failed" for part in parts.values())
    answer = answers.ReadinessAnswer("ready" if is_ready else "unready", parts)
    return answers.reply(answer, 200 if is_ready else 503)


async def metrics(edge: Edge, _request: Request) -> Response:
    """What this process measured, and the queue and the disk as they are now."""
    await _observe(edge.services)
    return Response(edge.services.metrics.text(), media_type=METRICS_TYPE, headers={"cache-control": "no-store"})


async def description(_edge: Edge, _request: Request) -> Response:
    return answers.EncodedResponse(answers.encoded(openapi.encoded(), is_final=True))


async def _checked(check: Check, edge: Edge) -> PartHealth:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check(edge)
    except MediaAnalysisError as error:
        return PartHealth("failed", error.detail)
    except TimeoutError:
        return PartHealth("failed", f"no answer in {CHECK_SECONDS:g} s")


async def _database(edge: Edge) -> PartHealth:
    """As it was found lately (`DatabaseHealth`), and whether it answers now."""
    database = edge.services.database
    try:
        writable = await operations.ping(database.pool)
    except StoreError as error:
        return PartHealth("failed", f"{database.health.state}: {error.detail}")
    if not writable:
        return PartHealth("failed", f"{Health.DEGRADED}: it takes no writes")
    state = database.health.state
    return PartHealth("ok", state) if state is Health.AVAILABLE else PartHealth("warning", _why(database.health))


def _why(health: DatabaseHealth) -> str:
    return f"{health.state}: {health.trouble}"


async def _queue(edge: Edge) -> PartHealth:
    depth = await operations.queue_depth(edge.services.database.pool)
    waiting = sum(each.jobs for each in depth if each.state == "queued")
    if not edge.services.signals.alive:
        return PartHealth("warning", f"{waiting} jobs wait; changes are polled for, nobody listens")
    return PartHealth("ok", f"{waiting} jobs wait")


async def _worker(edge: Edge) -> PartHealth:
    """The worker of this process: it claims and runs jobs, or why it does not."""
    assert edge.crew is not None
    crew = edge.crew()
    if crew.faults:
        return PartHealth("failed", "; ".join(f"{part}: {fault}" for part, fault in crew.faults.items()))
    if crew.draining:
        return PartHealth("warning" if crew.ready else "failed", f"takes no more jobs, {crew.running} run")
    if not crew.ready:
        return PartHealth("failed", "is not registered with the database")
    return PartHealth("ok", f"{crew.running} of {crew.slots} slots busy")


async def _storage(edge: Edge) -> PartHealth:
    await edge.services.storage.check()
    return PartHealth("ok", "answers")


async def _disk(edge: Edge) -> PartHealth:
    usage = edge.services.storage.disk_usage()
    state = "failed" if usage.state is DiskState.CRITICAL else usage.state.value
    return PartHealth(state, f"{usage.fraction:.0%} used")


CHECKS: dict[str, Check] = {
    "database": _database,
    "queue": _queue,
    "worker": _worker,
    "storage": _storage,
    "disk": _disk,
}


async def _observe(services: Services) -> None:
    """Set the gauges that say how things are, not what was counted. The queue's are missing while nobody can know."""
    gauges, pool = services.metrics, services.database.pool
    gauges.disk_used_ratio.set(services.storage.disk_usage().fraction)
    for state in Health:
        gauges.database_health.labels(state).set(state is services.database.health.state)
    gauges.pool_connections.labels("idle").set(pool.idle_size)
    gauges.pool_connections.labels("used").set(pool.size - pool.idle_size)
    gauges.queue_jobs.clear()
    gauges.queue_oldest_seconds.clear()
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            depth = await operations.queue_depth(pool)
    except (MediaAnalysisError, TimeoutError):
        gauges.database_up.set(0)
        return
    gauges.database_up.set(1)
    for each in depth:
        gauges.queue_jobs.labels(each.kind, each.state).set(each.jobs)
        if each.state == "queued":
            gauges.queue_oldest_seconds.labels(each.kind).set(each.oldest_seconds)
