"""Video, audio and pictures from upload to result, as a client sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from tests.analysis.conftest import Analyze
from tests.clips import Clips


def _codes(result: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in result["warnings"]}


async def test_a_video_gives_frames_a_sheet_and_their_times(
    analyze: Analyze, client: httpx.AsyncClient, clips: Clips
) -> None:
    result = await analyze(clips("plain.mp4"), to="video", prompt="How long is it?")
    assert result["status"] == "completed", result["error_message"]
    assert result["media_type"] == "video"
    assert result["media"]["duration_seconds"] == pytest.approx(4, abs=0.1)
    frames = [file for file in result["files"] if file["kind"] == "frame"]
    times = [frame["at_seconds"] for frame in frames]
    assert len(frames) == 6
    assert times == sorted(times)
    assert "4" in result["result_text"]
    assert result["contact_sheet"]["grid_layout"] == "2x3"
    assert result["contact_sheet"]["resolution"] == "1920x1080"
    assert [tile["at_seconds"] for tile in result["contact_sheet"]["tiles"]] == times
    sheet = await client.get(f"/api/media/{result['analysis_id']}/contact-sheet")
    assert sheet.headers["content-type"] == "image/jpeg"
    part = await client.get(f"/api/media/{result['analysis_id']}/frames/2", headers={"range": "bytes=0-2"})
    assert (part.status_code, part.content) == (206, b"\xff\xd8\xff")


async def test_a_tone_is_no_speech_and_never_becomes_words(analyze: Analyze, clips: Clips) -> None:
    result = await analyze(clips("sound.mp3"), to="audio")
    assert result["status"] == "completed", result["error_message"]
    assert result["media_type"] == "audio"
    assert _codes(result) == {"no_speech"}
    assert result["transcript"]["text"] == ""
    assert result["transcript"]["no_speech"] is True
    assert result["usage"]["cost_usd"] == 0


async def test_a_silent_video_has_no_transcript_and_no_error(analyze: Analyze, clips: Clips) -> None:
    result = await analyze(clips("silent.mp4"))
    assert result["status"] == "completed"
    assert result["transcript"] is None
    assert "transcribe" not in {stage["stage"] for stage in result["stages"]}


async def test_a_truncated_video_says_so_and_uses_what_is_there(analyze: Analyze, clips: Clips) -> None:
    result = await analyze(clips("truncated.mp4"))
    assert result["status"] == "completed", result["error_message"]
    assert "media_truncated" in _codes(result)


async def test_text_in_a_picture_is_read(analyze: Analyze, clips: Clips) -> None:
    result = await analyze(clips("text.png"), to="images", prompt="What is the invoice number?")
    assert result["media_type"] == "image"
    assert "4711" in result["result_text"]
    assert (result["media"]["video"]["width"], result["media"]["video"]["height"]) == (640, 360)


async def test_where_a_photo_was_taken_stays_unknown(analyze: Analyze, client: httpx.AsyncClient, clips: Clips) -> None:
    result = await analyze(clips("located.jpg"))
    frame = await client.get(f"/api/media/{result['analysis_id']}/frames/1")
    assert frame.status_code == 200
    assert b"Exif" not in frame.content
    assert "my home" not in str(result)


async def test_a_slide_show_gives_its_text_with_times(analyze: Analyze, clips: Clips, tmp_path: Path) -> None:
    for number, word in enumerate(("Alpha 111", "Beta 222", "Gamma 333")):
        slide = Image.new("RGB", (640, 360), "white")
        ImageDraw.Draw(slide).text((60, 140), word, fill="black", font_size=70)
        slide.save(tmp_path / f"{number}.png")
    video = tmp_path / "slides.mp4"
    clips.ffmpeg(f"-framerate 1/5 -i {tmp_path}/%d.png -c:v libx264 -preset ultrafast -r 10 -pix_fmt yuv420p {video}")
    result = await analyze(video, prompt="What does the slide about Beta say?")
    shown = {line["text"].split()[0]: text["at_seconds"] for text in result["screen_texts"] for line in text["lines"]}
    assert shown.keys() == {"Alpha", "Beta", "Gamma"}
    assert shown["Alpha"] < 5 <= shown["Beta"] < 10 <= shown["Gamma"]
    assert "Beta 222" in result["result_text"]


async def test_options_leave_stages_out(analyze: Analyze, clips: Clips) -> None:
    result = await analyze(
        clips("plain.mp4"),
        options='{"generate_contact_sheet": false, "transcribe_audio": false, "read_text": false, "frame_count": 2}',
    )
    assert {stage["stage"] for stage in result["stages"]} == {"fetch", "probe", "frames", "answer", "publish"}
    assert len([file for file in result["files"] if file["kind"] == "frame"]) == 2


async def test_a_real_talk_is_heard(analyze: Analyze, client: httpx.AsyncClient, shared_media: Path) -> None:
    result = await analyze(shared_media / "talk.mp4", prompt="What about your country?")
    assert result["media"]["duration_seconds"] == pytest.approx(11.1, abs=0.2)
    words = result["transcript"]["words"]
    assert {"fellow", "country"} <= {word["text"] for word in words}
    assert all(0 <= word["confidence"] <= 1 and word["start"] < word["end"] <= 11.6 for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    assert "country" in result["result_text"]
    assert result["provenance"]["extractive"] is True
    assert result["summary"]
    assert result["topics"]
    subtitles = await client.get(f"/api/media/{result['analysis_id']}/transcript", params={"format": "vtt"})
    assert subtitles.text.startswith("WEBVTT")
    assert "country" in subtitles.text


async def test_a_road_is_not_speech(analyze: Analyze, shared_media: Path) -> None:
    result = await analyze(shared_media / "car-detection.mp4", options='{"read_text": false}')
    assert "no_speech" in _codes(result)
    assert result["transcript"]["words"] == []
