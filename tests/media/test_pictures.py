"""The program that opens pictures, called in this process. Its guards and its wire are tested by its callers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFile

from mediaanalysis.media.children import pictures
from tests.clips import Clips

BOUNDS = {"max_pixels": 1_000_000, "max_side": 64, "count": 3}


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's switches, which the program sets for itself."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


def ask(do: str, path: Path | None = None, **request: Any) -> dict[str, Any]:
    return pictures.answer({"do": do, "path": str(path), **BOUNDS, **request})


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [("located.jpg", (300, 400), 1), ("animated.gif", (64, 48), 10), ("text.png", (640, 360), 1)],
)
def test_probe(clips: Clips, name: str, size: tuple[int, int], count: int) -> None:
    said = ask("probe", clips(name))
    assert ((said["width"], said["height"]), said["pictures"], said["looked"]) == (size, count, count)


def test_an_animation_is_looked_at_within_its_budget(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PIXEL_BUDGET", 4 * 64 * 48)
    assert ask("probe", clips("animated.gif"))["looked"] == 4


def test_frames_are_small_and_at_their_times(clips: Clips, tmp_path: Path) -> None:
    said = ask("frames", clips("animated.gif"), into=str(tmp_path))
    assert said["frames"] == [
        ("frame_001.jpg", 64, 48, 0.5), ("frame_002.jpg", 64, 48, 2.5), ("frame_003.jpg", 64, 48, 4.0)
    ]  # fmt: skip
    still = ask("frames", clips("text.png"), into=str(tmp_path))
    assert still == {"frames": [("frame_001.jpg", 64, 36, 0.0)], "cut": False}


def test_a_cut_picture_says_so(clips: Clips, tmp_path: Path) -> None:
    assert ask("frames", clips("cut.jpg"), into=str(tmp_path))["cut"] is True


def test_a_cut_animation_ends_early(clips: Clips, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gif"
    cut.write_bytes(clips("animated.gif").read_bytes()[:700])
    assert 1 <= len(ask("frames", cut, into=str(tmp_path))["frames"]) <= 3


def test_transparency_is_white_and_depth_is_scaled(tmp_path: Path) -> None:
    for name, image in (
        ("clear.png", Image.new("RGBA", (8, 8), (0, 0, 0, 0))),
        ("deep.png", Image.new("I;16", (8, 8), 65_535)),
    ):
        image.save(tmp_path / name)
        ask("frames", tmp_path / name, into=str(tmp_path))
        with Image.open(tmp_path / "frame_001.jpg") as frame:
            assert frame.getpixel((4, 4)) == (255, 255, 255)


def test_the_sheet_is_drawn(clips: Clips, tmp_path: Path) -> None:
    ask("frames", clips("text.png"), into=str(tmp_path))
    tiles = [("frame_001.jpg", "0:00.0", (10, 10, 60, 34))]
    drawn = {"folder": str(tmp_path), "filename": "sheet.jpg", "width": 100, "height": 80, "label_height": 30}
    assert ask("sheet", tiles=tiles, **drawn) == {}
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.getpixel((40, 15))[0] > 240
        assert sheet.getpixel((90, 75))[0] < 40


@pytest.mark.parametrize(
    ("name", "limits", "code"),
    [("text.png", {"max_pixels": 100}, "media_too_large"), ("plain.mp4", {}, "media_damaged")],
)
def test_refusals_travel(clips: Clips, name: str, limits: dict[str, int], code: str) -> None:
    assert ask("probe", clips(name), **limits)["code"] == code


@pytest.mark.parametrize(("error", "code"), [(MemoryError, "media_too_large"), (OSError, "media_damaged")])
def test_what_goes_wrong_is_told(
    clips: Clips, monkeypatch: pytest.MonkeyPatch, error: type[Exception], code: str
) -> None:
    def fail(request: dict[str, Any]) -> dict[str, Any]:
        raise error

    monkeypatch.setitem(pictures.COMMANDS, "probe", fail)
    assert ask("probe", clips("text.png"))["code"] == code
