from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from mediaanalysis import log


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_bound_fields_and_the_component() -> None:
    stream = io.StringIO()
    log.configure(style="auto", level="info", stream=stream)
    with log.bound(correlation_id="abc"):
        log.get("worker").info("job_claimed", job_id=7)
    log.get("worker").info("idle")
    first, second = _lines(stream)
    assert first["event"] == "job_claimed"
    assert first["component"] == "worker"
    assert first["correlation_id"] == "abc"
    assert first["job_id"] == 7
    assert "correlation_id" not in second


async def test_what_a_task_binds_stays_in_it() -> None:
    stream = io.StringIO()
    log.configure(style="json", level="info", stream=stream)

    async def job() -> None:
        log.bind(correlation_id="abc")
        log.get("worker").info("job_failed")

    await asyncio.create_task(job())
    log.get("worker").info("idle")
    first, second = _lines(stream)
    assert first["correlation_id"] == "abc"
    assert "correlation_id" not in second


def test_on_a_terminal_what_happened_comes_first_and_ids_last() -> None:
    stream = io.StringIO()
    log.configure(style="text", level="info", stream=stream)
    log.get("web").info("request", request_id="r", method="GET", path="/", status=200)
    assert stream.getvalue().split()[2:] == [
        "]",
        "request",
        "[web]",
        "method=GET",
        "path=/",
        "status=200",
        "request_id=r",
    ]


def test_what_was_bound_before_stands_again_afterwards() -> None:
    stream = io.StringIO()
    log.configure(style="json", level="info", stream=stream)
    with log.bound(correlation_id="outer"):
        with log.bound(correlation_id="inner", job_id=1):
            pass
        log.get("x").info("after")
    [line] = _lines(stream)
    assert line["correlation_id"] == "outer"
    assert "job_id" not in line


def test_secrets_are_redacted_by_name() -> None:
    stream = io.StringIO()
    log.configure(style="json", level="info", stream=stream)
    log.get("x").info("call", api_key="sk-1", Authorization="Bearer sk-1", db_password="sk-1")
    assert "sk-1" not in stream.getvalue()


def test_libraries_log_the_same_way_and_quiet_ones_stay_quiet() -> None:
    stream = io.StringIO()
    log.configure(style="json", level="info", stream=stream)
    logging.getLogger("some.library").warning("watch %s", "out")
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("asyncpg.pool").warning("failed to restore")
    assert [line["event"] for line in _lines(stream)] == ["watch out"]


def test_text_is_readable_and_levels_filter() -> None:
    stream = io.StringIO()
    log.configure(style="text", level="warning", stream=stream)
    log.get("x").info("hidden")
    log.get("x").warning("shown", n=1)
    assert "hidden" not in stream.getvalue()
    assert "shown" in stream.getvalue()
    assert "n=1" in stream.getvalue()
