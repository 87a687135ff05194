"""When a vendor fails, the next one is asked; in the end this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from mediaanalysis.app import in_process
from mediaanalysis.settings import Settings
from tests import sounds
from tests.analysis.conftest import finished
from tests.analysis.vendors.fake import GOOD, Asked, Heard, Vendor, failed, fake_vendors, said, transcript
from tests.databases import own_database

ORDER = {"TRANSCRIPTION_PROVIDERS": "fake,other,local", "ANSWER_PROVIDERS": "fake,other"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again sooner than the patience of a real service has it."""
    monkeypatch.setattr("mediaanalysis.providers.chain.BACKOFF_FIRST_SECONDS", 0.05)


async def _analyze(server: str, folder: Path, vendor: Vendor, talk: Path) -> dict[str, Any]:
    with own_database(server, "fallback") as dsn:
        settings = Settings(database_url=dsn, data_dir=folder, pool_min=1)
        async with in_process(settings, dsn, fake_vendors(folder, **ORDER), network=vendor) as application:
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(base_url="http://test", transport=transport) as client:
                files = {"file": (talk.name, talk.read_bytes())}
                sent = await client.post("/api/media/analyze", data={"prompt": "Why?"}, files=files)
                return await finished(client, sent.json()["analysis_id"])


async def test_the_next_one_takes_over_and_the_path_is_told(server: str, tmp_path: Path, talk: Path) -> None:
    vendor = Vendor()

    def hear(clip: Heard) -> httpx.Response:
        return failed(503) if clip.host == "fake.test" else transcript(clip)

    def say(asked: Asked) -> httpx.Response:
        return said("never JSON") if asked.host == "fake.test" else said({**GOOD, "answer": "From the other."})

    vendor.hear, vendor.say = hear, say
    result = await _analyze(server, tmp_path, vendor, talk)
    assert result["status"] == "completed"
    assert (result["transcript"]["provider"], result["provenance"]["provider"]) == ("other", "other")
    assert result["result_text"] == "From the other."
    said_calls = [(call["provider"], call["attempt"]) for call in result["calls"] if call["operation"] == "answer"]
    assert said_calls == [("fake", 1), ("fake", 2), ("other", 3)]
    heard = [(call["provider"], call["outcome"]) for call in result["calls"] if call["operation"] == "transcription"]
    assert ("fake", "failed") in heard
    assert ("other", "done") in heard


async def test_this_machine_hears_what_no_vendor_does(server: str, tmp_path: Path) -> None:
    vendor = Vendor()
    vendor.hear = lambda _: failed(500)
    talk = sounds.write(tmp_path / "short.flac", sounds.speech_like(5))
    result = await _analyze(server, tmp_path, vendor, talk)
    assert result["status"] == "completed"
    assert result["transcript"]["provider"] == "local"
    assert {call["outcome"] for call in result["calls"] if call["operation"] == "transcription"} == {"failed"}
