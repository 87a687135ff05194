"""Bad weather for many analyses: all of them end completed, and nothing that was finished is paid for again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from mediaanalysis.app import in_process
from mediaanalysis.settings import Settings
from tests.analysis.conftest import finished
from tests.analysis.vendors.conftest import number
from tests.analysis.vendors.fake import Vendor, fake_vendors
from tests.analysis.vendors.weather import BUSY, Weather
from tests.databases import own_database

LONG_SECONDS = 1800


async def _soak(dsn: str, folder: Path, weather: Weather, documents: int, talks: list[bytes]) -> list[dict[str, Any]]:
    vendor = Vendor()
    vendor.hear, vendor.say = weather.hear, weather.say
    settings = Settings(database_url=dsn, data_dir=folder, pool_min=1, worker_slots=16)
    async with in_process(settings, dsn, fake_vendors(folder), network=vendor) as application:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(base_url="http://test", transport=transport) as client:

            async def one(index: int, name: str, content: bytes) -> dict[str, Any]:
                sent = await client.post(
                    "/api/media/analyze", data={"prompt": f"Question {index}."}, files={"file": (name, content)}
                )
                assert sent.status_code == 202, sent.text
                return await finished(client, sent.json()["analysis_id"])

            texts = [f"Text {next(number)}.".encode() for _ in range(documents)]
            media = [*(("talk.flac", talk) for talk in talks), *(("text.txt", text) for text in texts)]
            return list(await asyncio.gather(*(one(index, *each) for index, each in enumerate(media))))


def _check(results: list[dict[str, Any]], weather: Weather) -> None:
    assert [(one["error_message"], one["calls"]) for one in results if one["status"] != "completed"] == []
    assert {count for what, count in weather.served.items() if what != "repair"} == {1}
    for index, result in enumerate(results):
        assert result["result_text"] == f"Question {index}"
        done = Counter((call["stage"], call["chunk"]) for call in result["calls"] if call["outcome"] == "done")
        assert set(done.values()) == {1}
    calls = [call for result in results for call in result["calls"]]
    assert len(calls) == weather.seen.total()


@pytest.mark.parametrize("seed", [1])
async def test_bad_weather(server: str, tmp_path: Path, talk: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mediaanalysis.providers.chain.BACKOFF_FIRST_SECONDS", 0.1)
    weather = Weather(seed)
    with own_database(server, "soak") as dsn:
        _check(await _soak(dsn, tmp_path, weather, 39, [talk.read_bytes()]), weather)


@pytest.mark.slow
async def test_bad_weather_for_long_under_a_rate_limit(server: str, tmp_path: Path) -> None:
    """At least four fifths of what the limit allows are used, also of calls that then fail all the same."""
    count, per_second = 500, 5.0
    weather = Weather(2, calls_per_second=per_second)
    started = time.monotonic()
    with own_database(server, "soak") as dsn:
        async with asyncio.timeout(LONG_SECONDS):
            results = await _soak(dsn, tmp_path, weather, count, [])
    seconds = time.monotonic() - started
    _check(results, weather)
    through = weather.seen.total() - weather.seen["limited"]
    assert through / seconds >= 0.8 * per_second, (through, seconds, weather.seen)
    assert weather.seen["busy"] == pytest.approx(BUSY * through, rel=0.3)
