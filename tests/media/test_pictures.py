"""Pictures as small as a model has use for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mediaanalysis.errors import MediaError
from mediaanalysis.media import pictures
from mediaanalysis.sandbox import Sandbox


def _picture(path: Path, width: int, height: int) -> Path:
    Image.new("RGB", (width, height), "teal").save(path)
    return path


async def test_none_is_larger_than_asked_for_and_none_is_enlarged(ffmpeg_sandbox: Sandbox, tmp_path: Path) -> None:
    sizes = {"wide.jpg": (1280, 720), "tall.png": (500, 2000), "small.jpg": (64, 48)}
    paths = [_picture(tmp_path / name, *size) for name, size in sizes.items()]
    made = await pictures.shrink(ffmpeg_sandbox, paths, 512, into=tmp_path)
    found = [Image.open(path) for path in made]
    assert [image.size for image in found] == [(512, 288), (128, 512), (64, 48)]
    assert {image.format for image in found} == {"JPEG"}


async def test_what_is_no_picture_says_so(ffmpeg_sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"none")
    with pytest.raises(MediaError):
        await pictures.shrink(ffmpeg_sandbox, [tmp_path / "x.jpg"], 512, into=tmp_path)
