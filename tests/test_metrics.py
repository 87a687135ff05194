from __future__ import annotations

import asyncio
import time

from mediaanalysis.metrics import LOOK_SECONDS, TABLE, Metrics, watch_event_loop


def test_every_row_of_the_table_is_an_attribute_and_is_exposed() -> None:
    metrics = Metrics()
    text = metrics.text().decode()
    for row in TABLE:
        assert hasattr(metrics, row.name)
        assert f"# HELP mediaanalysis_{row.name}" in text
    assert set(Metrics.__annotations__) == {row.name for row in TABLE}


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.analyses_finished.labels("completed").inc()
    assert 'mediaanalysis_analyses_finished_total{status="completed"} 1.0' in one.text().decode()
    assert 'status="completed"' not in other.text().decode()


async def test_a_blocked_event_loop_is_seen_once() -> None:
    metrics = Metrics()
    watch = asyncio.create_task(watch_event_loop(metrics))
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251 - what a handler must never do
    await asyncio.sleep(2 * LOOK_SECONDS)
    watch.cancel()
    assert _lag(metrics) > 0.05
    assert _lag(metrics) < 0.05


def _lag(metrics: Metrics) -> float:
    (line,) = [line for line in metrics.text().decode().splitlines() if line.startswith("mediaanalysis_event_loop_lag")]
    return float(line.split()[1])
