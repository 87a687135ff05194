"""Money: what is spent, what may be spent, and what nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.analysis.conftest import finished
from tests.analysis.vendors.conftest import Analyze
from tests.analysis.vendors.fake import GOOD, Asked, Vendor, said


async def test_a_new_prompt_pays_for_the_answer_only(analyze: Analyze, vendor: Vendor, talk: Path) -> None:
    first = await analyze(talk)
    again = await analyze(source_analysis_id=first["analysis_id"], prompt="And what not?")
    assert again["status"] == "completed"
    assert len(vendor.heard) == 4
    assert again["usage"]["cost_usd"] == pytest.approx(0.0014)


async def test_a_limit_refuses_before_anything_is_sent(analyze: Analyze, vendor: Vendor, talk: Path) -> None:
    result = await analyze(talk, config={"max_cost_usd": 0.01})
    assert (result["status"], result["error_code"]) == ("failed", "budget_exceeded")
    assert "fake/ears" in result["error_message"]
    assert not vendor.heard
    assert not result["calls"]


async def test_a_limit_that_is_enough_is_kept_to(analyze: Analyze, vendor: Vendor, talk: Path) -> None:
    result = await analyze(talk, config={"max_cost_usd": 0.05})
    assert result["status"] == "completed"
    assert 0 < result["usage"]["cost_usd"] <= 0.05


async def test_a_limit_holds_for_the_answer_after_the_rest_was_paid(
    analyze: Analyze, vendor: Vendor, talk: Path
) -> None:
    first = await analyze(talk)
    cheap = {"max_cost_usd": 0.02}
    again = await analyze(source_analysis_id=first["analysis_id"], prompt="More?", config=cheap)
    assert (again["status"], len(vendor.heard)) == ("completed", 4), again["error_message"]


async def test_an_unknown_price_is_said_and_never_zero(analyze: Analyze, vendor: Vendor, talk: Path) -> None:
    model = {"transcription_model": "unpriced-ears"}
    result = await analyze(talk, config=model)
    assert result["status"] == "completed"
    assert result["usage"]["cost_usd"] is None
    assert [warning["code"] for warning in result["warnings"]] == ["cost_unknown"]
    limited = await analyze(talk, prompt="With a limit", config={**model, "max_cost_usd": 5})
    assert limited["status"] == "completed"  # the transcript is there already and costs nothing again


async def test_no_limit_can_be_kept_to_at_unknown_prices(analyze: Analyze, vendor: Vendor, talk: Path) -> None:
    result = await analyze(talk, config={"transcription_model": "unpriced-ears", "max_cost_usd": 5})
    assert (result["error_code"], vendor.heard) == ("budget_exceeded", [])
    assert "not known" in result["error_message"]


async def test_a_call_that_is_cut_off_is_on_record(
    vendor_client: httpx.AsyncClient, vendor: Vendor, document: Callable[[str], Path]
) -> None:
    called = asyncio.Event()

    async def hang(_: Asked) -> httpx.Response:
        called.set()
        await asyncio.sleep(60)
        return said(GOOD)

    vendor.say = hang
    files = {"file": ("text.txt", document("Short.").read_bytes())}
    accepted = await vendor_client.post("/api/media/analyze", data={"prompt": "Why?"}, files=files)
    analysis_id = accepted.json()["analysis_id"]
    await called.wait()
    assert (await vendor_client.post(f"/api/media/{analysis_id}/cancel")).status_code == 202
    result = await finished(vendor_client, analysis_id)
    assert result["status"] == "cancelled"
    deadline = asyncio.get_running_loop().time() + 30
    while not result["calls"] and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
        result = (await vendor_client.get(f"/api/media/{analysis_id}")).json()
    [call] = result["calls"]
    assert (call["outcome"], call["cost_usd"], call["billed"]) == ("cancelled", None, True)
