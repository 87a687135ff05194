"""What was done once is not done again: a second prompt, a second upload of the same bytes, another attempt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.analysis.conftest import Analyze

SENTENCE = "The harbour of Genoa handles two million containers a year. Its lighthouse is from 1543."


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "genoa.txt"
    path.write_text(SENTENCE)
    return path


def _states(result: dict[str, Any]) -> dict[str, str]:
    return {stage["stage"]: stage["state"] for stage in result["stages"]}


async def test_the_same_bytes_with_another_prompt_run_only_the_answer(analyze: Analyze, text: Path) -> None:
    first = await analyze(text, prompt="How many containers?")
    second = await analyze(text, prompt="How old is the lighthouse?")
    assert "two million containers" in first["result_text"]
    assert "1543" in second["result_text"]
    states = _states(second)
    assert {stage for stage, state in states.items() if state == "reused"} == {"probe", "pages"}
    assert states["answer"] == "done"
    pages = next(stage for stage in second["stages"] if stage["stage"] == "pages")
    assert pages["reused_from"] == first["analysis_id"]
    assert pages["duration_ms"] == 0


async def test_asking_again_needs_no_media(analyze: Analyze, text: Path, client: httpx.AsyncClient) -> None:
    first = await analyze(text, prompt="How many containers?")
    again = await analyze(source_analysis_id=first["analysis_id"], prompt="How old is the lighthouse?")
    assert again["status"] == "completed"
    assert "1543" in again["result_text"]
    assert _states(again)["pages"] == "reused"
    await client.delete(f"/api/media/{first['analysis_id']}")
    file = await client.get(f"/api/media/{again['analysis_id']}/files/original.txt")
    assert file.text == SENTENCE


async def test_the_same_question_again_is_answered_from_what_is_known(analyze: Analyze, text: Path) -> None:
    first = await analyze(text, prompt="How many containers?")
    second = await analyze(text, prompt="How many containers?")
    assert _states(second)["answer"] == "reused"
    assert second["result_text"] == first["result_text"]


async def test_asking_again_about_another_owners_or_no_analysis_is_not_found(client: httpx.AsyncClient) -> None:
    body = {"prompt": "x", "source_analysis_id": "00000000-0000-4000-8000-000000000000"}
    assert (await client.post("/api/media/analyze", json=body)).status_code in {404, 422}
