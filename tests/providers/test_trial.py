"""A trial of each vendor: what works is measured, what does not is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from mediaanalysis.providers import catalogue, trial
from mediaanalysis.providers.trial import limits, try_all
from tests.providers.fake import opened
from tests.providers.specs import complaints
from tests.providers.test_hearing import DEEPGRAM, VERBOSE
from tests.providers.test_saying import chat
from tests.providers.vendors import every_vendor, vendors


def vendor(request: httpx.Request) -> httpx.Response:
    assert not complaints(request)
    bodies: dict[str, Any] = {"chat/completions": chat("yes"), "listen": DEEPGRAM, "transcriptions": VERBOSE}
    found = next((body for end, body in bodies.items() if request.url.path.endswith(end)), None)
    if request.url.host == "api.groq.com":
        return httpx.Response(401, json={"error": {"message": "Invalid API Key", "code": "invalid_api_key"}})
    return httpx.Response(200, json=found) if found else httpx.Response(500)


async def test_everybody_is_called_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mediaanalysis.providers.chain.TRIES", 1)
    async with opened(vendor, every_vendor(), work=(tmp_path,)) as providers:
        trials = {(one.provider, one.operation): one for one in await try_all(providers, tmp_path)}
    assert len(trials) == 2 + 7 + 7
    assert trials["local", "transcription"].trouble is None
    works = trials["deepgram", "transcription"]
    assert (works.trouble, works.model, works.limits) == (None, "nova-3", "2000 MB, 240 min")
    assert works.cost_usd
    assert works.latency_ms is not None
    assert "Invalid API Key" in (trials["groq", "answer"].trouble or "")
    assert trials["openrouter", "answer"].cost_usd is None
    assert {name for (name, _), one in trials.items() if one.trouble} == {"groq", "gemini", "minimax"}
    assert trials["minimax", "answer"].trouble is None


async def test_only_the_local_one_is_tried_where_nobody_is_set_up(tmp_path: Path) -> None:
    async with opened(vendor, vendors(), work=(tmp_path,)) as providers:
        trials = await try_all(providers, tmp_path)
    assert [(one.provider, one.trouble, one.cost_usd) for one in trials] == [("local", None, 0.0)] * 2


def test_limits_in_words() -> None:
    known = {(one.name, model.name): model for one in catalogue.load().providers for model in one.models}
    assert limits(known["openai", "whisper-1"]) == "25 MB, 25 min, until 2027-02-26"
    assert limits(known["openai", "gpt-6-luna"]) == "500 pictures, 922k tokens"
    assert limits(known["local", "extractive-1"]) == ""


def test_the_clip_is_two_seconds_of_flac(tmp_path: Path) -> None:
    clip = trial.made_clip(tmp_path / "clip.flac")
    assert clip.path.read_bytes()[:4] == b"fLaC"
    assert clip.size_bytes < 200_000
