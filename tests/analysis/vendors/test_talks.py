"""Long sound: in parts, each heard and paid for once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests import sounds
from tests.analysis.conftest import finished
from tests.analysis.vendors.conftest import Analyze, number
from tests.analysis.vendors.fake import Heard, Vendor, failed, transcript


async def test_long_sound_goes_in_parts_and_comes_back_whole(analyze: Analyze, vendor: Vendor, talk: Path) -> None:
    result = await analyze(talk)
    assert result["status"] == "completed", result
    assert len(vendor.heard) == 4
    assert all(clip.seconds <= 26 and clip.filename == "audio.flac" for clip in vendor.heard)
    words = result["transcript"]["words"]
    assert len(words) == sum(int(clip.seconds) for clip in vendor.heard)
    assert all(before["end"] <= after["start"] for before, after in pairwise(words))
    parts = [stage for stage in result["stages"] if stage["stage"] == "transcribe"]
    assert sorted((part["chunk"], part["state"]) for part in parts) == [(n, "done") for n in range(5)]
    heard = [call for call in result["calls"] if call["operation"] == "transcription"]
    minutes = sum(clip.seconds for clip in vendor.heard) / 60
    assert sum(call["cost_usd"] for call in heard) == pytest.approx(0.006 * minutes, rel=1e-3)
    assert result["usage"]["cost_usd"] == pytest.approx(0.006 * minutes + 0.0014, abs=2e-6)
    assert {call["provider_request_id"] for call in heard} == {"req_1"}
    assert not result["warnings"]


async def test_only_the_part_that_failed_is_sent_again(
    analyze: Analyze, vendor: Vendor, talk: Path, vendor_client: httpx.AsyncClient
) -> None:
    refused: list[int] = []

    def refuse_one(clip: Heard) -> httpx.Response:
        if not refused:
            refused.append(clip.samples_hash)
        return failed(400, "bad audio") if clip.samples_hash in refused else transcript(clip)

    vendor.hear = refuse_one
    first = await analyze(talk)
    assert (first["status"], first["error_code"]) == ("failed", "provider_rejected")
    assert len(vendor.heard) == 4
    vendor.hear = transcript
    await vendor_client.post(f"/api/media/{first['analysis_id']}/retry")
    second = await finished(vendor_client, first["analysis_id"])
    assert second["status"] == "completed"
    assert [clip.samples_hash for clip in vendor.heard[4:]] == refused
    assert [call["outcome"] for call in second["calls"] if call["operation"] == "transcription"].count("done") == 4


async def test_a_part_lost_for_good_leaves_a_gap_where_that_may_be(
    analyze: Analyze, vendor: Vendor, talk: Path
) -> None:
    refused: list[int] = []

    def refuse_one(clip: Heard) -> httpx.Response:
        if not refused:
            refused.append(clip.samples_hash)
        return failed(400, "bad audio") if clip.samples_hash in refused else transcript(clip)

    vendor.hear = refuse_one
    result = await analyze(talk, options={"partial": True})
    assert result["status"] == "completed"
    [gap] = result["transcript"]["gaps"]
    assert "bad audio" in gap["reason"]
    assert gap["end"] - gap["start"] > 15
    assert [warning["code"] for warning in result["warnings"]] == ["part_lost"]
    vendor.hear = transcript
    again = await analyze(source_analysis_id=result["analysis_id"], prompt="Again?", options={"partial": True})
    assert again["transcript"]["gaps"] == []
    assert [clip.samples_hash for clip in vendor.heard[4:]] == refused


async def test_sound_without_speech_is_neither_sent_nor_billed(
    analyze: Analyze, vendor: Vendor, tmp_path: Path
) -> None:
    result = await analyze(sounds.write(tmp_path / "noise.flac", sounds.noise(20 + 0.1 * next(number))))
    assert result["status"] == "completed"
    assert not vendor.heard
    assert result["transcript"]["no_speech"]
    assert [call["operation"] for call in result["calls"]] == ["answer"]


async def test_a_vendor_that_takes_no_flac_gets_opus_of_the_same_length(
    analyze: Analyze, vendor: Vendor, talk: Path
) -> None:
    flac = await analyze(talk)
    lengths = sorted(clip.seconds for clip in vendor.heard)
    vendor.heard.clear()
    opus = await analyze(talk, prompt="As Opus?", config={"transcription_model": "opus-ears"})
    assert opus["status"] == "completed"
    assert {clip.filename for clip in vendor.heard} == {"audio.ogg"}
    assert sorted(clip.seconds for clip in vendor.heard) == pytest.approx(lengths, abs=0.05)
    assert len(opus["transcript"]["words"]) == len(flac["transcript"]["words"])
