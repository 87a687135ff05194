from __future__ import annotations

from mediaanalysis.metrics import TABLE, Metrics


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
