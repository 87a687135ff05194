"""Bad media: each gets its stable code, nothing stays `processing`, no file stays behind."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest

from mediaanalysis.settings import Settings
from tests.analysis.conftest import Analyze


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "text")
    return packed.getvalue()


BAD = {
    "empty.mp4": (b"", "media_empty"),
    "one.mp4": (b"\x00", "media_unsupported"),
    "random.mp4": (random.Random(1).randbytes(50_000), "media_unsupported"),
    "archive.mp4": (_zip(), "media_unsupported"),
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


async def test_nothing_is_left_in_the_work_folders(
    analysis_settings: Settings, analyze: Analyze, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("One more.")
    await analyze(path)
    left = [each for each in (analysis_settings.data_dir / "storage" / "temp").rglob("*") if each.is_file()]
    assert left == []
