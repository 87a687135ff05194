"""Bad media: each gets its stable code, nothing stays `processing`, no file stays behind."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import httpx
import pytest

from mediaanalysis.settings import Settings
from tests.analysis.conftest import Analyze


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "text")
    return packed.getvalue()


OUR_NAMES = {"original.txt", "metadata.json", "result.json", "summary.txt"}

BAD = {
    "empty.mp4": (b"", "media_empty"),
    "one.mp4": (b"\x00", "media_unsupported"),
    "random.mp4": (random.Random(1).randbytes(50_000), "media_unsupported"),
    "archive.mp4": (_zip(), "media_unsupported"),
    "list.mp4": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/secret.ts\n", "media_unsupported"),
    "concat.mp4": (b"ffconcat version 1.0\nfile /etc/passwd\n", "media_unsupported"),
    "header.mp4": (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(500), "media_truncated"),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(200), "media_damaged"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_bytes_fail_with_a_stable_code(analyze: Analyze, tmp_path: Path, name: str) -> None:
    content, code = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    result = await analyze(path)
    assert (result["status"], result["error_code"]) == ("failed", code), result["error_message"]
    assert str(tmp_path) not in result["error_message"]
    assert "/" not in result["error_message"].replace("and/or", "")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a%d.png", "n\u00e4me\x01.txt", "x" * 300 + ".txt", "-i.txt", "file:x.txt"]
)
async def test_a_hostile_name_is_only_shown(
    client: httpx.AsyncClient, analyze: Analyze, tmp_path: Path, name: str
) -> None:
    accepted = await client.post("/api/media/analyze", data={"prompt": "x"}, files={"file": (name, b"Plain words.")})
    assert accepted.status_code == 202, accepted.text
    result = await analyze(source_analysis_id=accepted.json()["analysis_id"], prompt="y")
    assert result["status"] == "completed"
    assert all(file["filename"] in OUR_NAMES for file in result["files"])


async def test_nothing_is_left_in_the_work_folders(
    analysis_settings: Settings, analyze: Analyze, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("One more.")
    await analyze(path)
    left = [each for each in (analysis_settings.data_dir / "storage" / "temp").rglob("*") if each.is_file()]
    assert left == []
