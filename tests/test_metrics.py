from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from mediaanalysis.metrics import LOOK_SECONDS, TABLE, Metric, Metrics, watch_event_loop

PROGRAM = Path(__file__).parent.parent / "mediaanalysis"


def test_every_row_of_the_table_is_an_attribute_and_is_exposed() -> None:
    metrics = Metrics()
    text = metrics.text().decode()
    for row in TABLE:
        assert hasattr(metrics, row.name)
        assert f"# HELP mediaanalysis_{row.name}" in text
    assert set(Metrics.__annotations__) == {row.name for row in TABLE}


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.analyses_accepted.labels("video").inc()
    assert 'mediaanalysis_analyses_accepted_total{media_type="video"} 1.0' in one.text().decode()
    assert 'media_type="video"' not in other.text().decode()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_metric_is_measured_somewhere(row: Metric) -> None:
    """A gauge that nobody sets says 0, and is believed."""
    by = [path for path in PROGRAM.rglob("*.py") if re.search(rf"\b_?(metrics|gauges)\.{row.name}\b", path.read_text())]
    assert by


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
