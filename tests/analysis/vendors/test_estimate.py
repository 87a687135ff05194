"""The price of a request, before it is made: from its media, wherever they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.analysis.vendors.conftest import Analyze
from tests.analysis.vendors.fake import Vendor


async def _estimate(client: httpx.AsyncClient, path: Path | None = None, **fields: Any) -> httpx.Response:
    fields.setdefault("prompt", "What is it?")
    if path is None:
        return await client.post("/api/media/estimate", json=fields)
    return await client.post("/api/media/estimate", data=fields, files={"file": (path.name, path.read_bytes())})


async def test_a_file_is_priced_and_not_kept(
    vendor_client: httpx.AsyncClient, vendor: Vendor, talk: Path, vendor_settings: Any
) -> None:
    answer = await _estimate(vendor_client, talk)
    found = answer.json()
    hearing, answering = found["items"]
    assert (hearing["provider"], hearing["model"], hearing["calls"]) == ("fake", "ears", 4)
    assert hearing["audio_seconds"] == pytest.approx(92, abs=2)
    assert hearing["cost_usd"] == pytest.approx(0.006 * hearing["audio_seconds"] / 60, rel=1e-3)
    assert (answering["model"], answering["calls"], answering["price_date"]) == ("mouth", 1, "2026-11-20")
    assert found["cost_usd"] == pytest.approx(hearing["cost_usd"] + answering["cost_usd"])
    assert found["within_budget"] is None
    assert found["media"]["media_type"] == "audio"
    assert not vendor.heard
    assert not vendor.asked
    assert not [path for path in (vendor_settings.data_dir / "storage").rglob("original.*") if _same(path, talk)]
    assert (await vendor_client.get("/api/media/history")).json()["pagination"]["total"] >= 0


def _same(path: Path, other: Path) -> bool:
    return path.stat().st_size == other.stat().st_size and path.read_bytes() == other.read_bytes()


async def test_the_estimate_is_not_below_what_it_comes_to(
    vendor_client: httpx.AsyncClient, analyze: Analyze, talk: Path
) -> None:
    expected = (await _estimate(vendor_client, talk, config='{"max_tokens": 500}')).json()["cost_usd"]
    result = await analyze(talk, config={"max_tokens": 500})
    assert 0.5 * expected < result["usage"]["cost_usd"] <= expected
    limited = {"max_tokens": 500, "max_cost_usd": expected}
    assert (await analyze(talk, prompt="As estimated", config=limited))["status"] == "completed"


async def test_what_is_there_already_costs_nothing_again(
    vendor_client: httpx.AsyncClient, analyze: Analyze, talk: Path
) -> None:
    first = await analyze(talk)
    again = (await _estimate(vendor_client, source_analysis_id=first["analysis_id"])).json()
    assert [item["operation"] for item in again["items"]] == ["answer"]
    other = {"source_analysis_id": first["analysis_id"], "config": {"language": "de"}}
    assert [item["operation"] for item in (await _estimate(vendor_client, **other)).json()["items"]] == [
        "transcription",
        "answer",
    ]


async def test_a_limit_is_compared(vendor_client: httpx.AsyncClient, talk: Path) -> None:
    for limit, within in ((0.001, False), (1, True)):
        found = (await _estimate(vendor_client, talk, config=f'{{"max_cost_usd": {limit}}}')).json()
        assert found["within_budget"] is within


async def test_an_unknown_price_makes_the_sum_unknown(vendor_client: httpx.AsyncClient, talk: Path) -> None:
    found = (await _estimate(vendor_client, talk, config='{"transcription_model": "unpriced-ears"}')).json()
    assert found["cost_usd"] is None
    assert [item["cost_usd"] is None for item in found["items"]] == [True, False]


async def test_a_document_that_is_too_long_for_one_message(
    vendor_client: httpx.AsyncClient, document: Callable[[str], Path]
) -> None:
    found = (await _estimate(vendor_client, document("many words " * 9000), config='{"model": "small-mouth"}')).json()
    assert found["items"][0]["calls"] > 3
    local = (await _estimate(vendor_client, document("words"), config='{"provider": "local"}')).json()
    assert (local["cost_usd"], local["items"][0]["provider"]) == (0, "local")


async def test_media_that_cannot_be_used_are_named(vendor_client: httpx.AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(range(256)) * 20)
    answer = await _estimate(vendor_client, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "media_unusable")
    assert answer.json()["errors"][0]["pointer"] == "/file"
    private = await _estimate(vendor_client, media_url="http://127.0.0.1:1/x.mp4")
    assert (private.status_code, private.json()["code"]) == (422, "url_not_allowed")
    none = await _estimate(vendor_client, source_analysis_id="00000000-0000-4000-8000-000000000000")
    assert none.status_code == 422
    assert (await vendor_client.post("/api/media/estimate", json={"prompt": "x"})).json()["code"] == "missing_field"
    unknown = await _estimate(vendor_client, media_url="http://example.com/a.mp4", config={"provider": "nobody"})
    assert unknown.json()["code"] == "unknown_provider"
