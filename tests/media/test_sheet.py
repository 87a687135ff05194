from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from mediaanalysis.media import sheet
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.structs.media import Frame


def draw(folder: Path, count: int, size: tuple[int, int] = (320, 180)) -> list[Frame]:
    frames = [Frame(f"frame_{n:03}.jpg", n * 61.25, *size) for n in range(count)]
    for frame in frames:
        picture = Image.new("RGB", size, "orange")
        ImageDraw.Draw(picture).text((10, 10), frame.filename, fill="black")
        picture.save(folder / frame.filename)
    return frames


@pytest.mark.parametrize(("count", "grid"), [(1, "1x1"), (2, "1x2"), (4, "2x2"), (6, "2x3"), (12, "3x4"), (64, "8x8")])
@pytest.mark.parametrize("size", [(320, 180), (90, 160)])
def test_tiles_have_room(count: int, grid: str, size: tuple[int, int]) -> None:
    frames = [Frame(f"{n}.jpg", n, *size) for n in range(count)]
    made = sheet.lay_out(frames)
    assert f"{made.rows}x{made.columns}" == grid
    assert made.top >= sheet.MARGIN - 1
    assert made.label_height >= 24


async def test_six_frames_make_two_rows_of_three(ffmpeg_sandbox: Sandbox, tmp_path: Path) -> None:
    made = await sheet.compose(ffmpeg_sandbox, draw(tmp_path, 6), folder=tmp_path)
    assert (made.filename, made.grid_layout, made.resolution) == ("contact_sheet.jpg", "2x3", "1920x1080")
    with Image.open(tmp_path / made.filename) as picture:
        assert picture.size == (1920, 1080)
        for tile in made.tiles:
            red, green, blue = picture.getpixel((tile.x + tile.width // 2, tile.y + tile.height // 2))
            assert (red > 200, green > 120, blue < 60) == (True, True, True)
            below = picture.crop((tile.x, tile.y + tile.height + 4, tile.x + tile.width, tile.y + tile.height + 52))
            assert below.convert("L").getextrema()[1] > 200, "a label is written below"
    boxes = [(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height) for tile in made.tiles]
    for left, top, right, bottom in boxes:
        assert sum(x < right and left < x2 and y < bottom and top < y2 for x, y, x2, y2 in boxes) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (6.8, "0:06.8"),
        (59.96, "0:59.9"),
        (61.25, "1:01.2"),
        (3723.4, "1:02:03.4"),
        (100_000, "27:46:40.0"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert sheet.clock(seconds) == text
