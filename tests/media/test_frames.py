from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from PIL import Image, ImageStat

from mediaanalysis.errors import MediaError
from mediaanalysis.media import frames
from mediaanalysis.sandbox import Sandbox
from tests.clips import RECIPES, Clips
from tests.media.conftest import LIMITS

VIDEOS = [name for name in RECIPES if name.startswith("plain.")]
EXACT = ["hevc.mp4", "ten_bit.mp4", "hdr.mp4", "variable_rate.mp4", "late_start.ts", "rotated.mp4", "anamorphic.mp4"]
ENDLESS = msgspec.structs.replace(LIMITS, max_seconds=1e9)


@pytest.fixture
def extract(ffmpeg_sandbox: Sandbox, look, tmp_path: Path):
    async def extract(name: str | Path, count: int = 6):
        clip = await look(name, ENDLESS)
        return await frames.extract(ffmpeg_sandbox, clip.path, clip.probe, clip.identity, count=count, into=tmp_path)

    return extract


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def true_times(path: Path) -> list[float]:
    """When pictures are shown, from the start of the media, as ffprobe decodes them."""
    ask = ["ffprobe", "-v", "error", "-select_streams", "V:0", "-of", "csv=p=0"]
    start = float(subprocess.check_output([*ask[:3], "-show_entries", "format=start_time", "-of", "csv=p=0", path]))
    said = subprocess.check_output([*ask, "-show_entries", "frame=best_effort_timestamp_time", path], text=True)
    return [float(line.strip(",")) - start for line in said.split() if line[0] != "N"]


@pytest.mark.parametrize("name", VIDEOS + EXACT)
async def test_frames_tell_their_true_times(extract, clips: Clips, tmp_path: Path, name: str) -> None:
    found, notices = await extract(name)
    shown = true_times(clips(name))
    assert [frame.filename for frame in found] == [f"frame_{n:03}.jpg" for n in range(1, 7)]
    assert names(tmp_path) == [frame.filename for frame in found]
    for frame in found:
        assert min(abs(frame.at_seconds - at) for at in shown) < 0.002
    assert [frame.at_seconds for frame in found] == pytest.approx([(n + 0.5) * 4 / 6 for n in range(6)], abs=0.4)
    assert not notices


async def test_as_many_frames_as_there_are_moments(extract, clips: Clips) -> None:
    """A damaged header may claim next to no time: then the middles of its parts are one and the same."""
    assert frames.spread(0.000003, 6) == [0.0]
    clip = clips("plain.mp4")
    found, _ = await extract(clip, 6)
    assert len(found) == 6


@pytest.mark.parametrize(("name", "size"), [("rotated.mp4", (180, 320)), ("anamorphic.mp4", (428, 180))])
async def test_pictures_are_as_shown(extract, tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    (frame, *_), _ = await extract(name)
    with Image.open(tmp_path / frame.filename) as picture:
        assert picture.size == (frame.width, frame.height) == size


async def test_the_picture_is_the_one_of_its_time(extract, clips: Clips, tmp_path: Path) -> None:
    (frame, *_), _ = await extract("one_keyframe.mp4", count=1)
    expected = tmp_path / "expected.png"
    clips.ffmpeg(f"-ss {frame.at_seconds} -i {clips('one_keyframe.mp4')} -frames:v 1 {expected}")
    with Image.open(tmp_path / frame.filename) as got, Image.open(expected) as wanted:
        difference = Image.blend(got.convert("L"), wanted.convert("L").point(lambda value: 255 - value), 0.5)
        assert ImageStat.Stat(difference).stddev[0] < 4


async def test_one_keyframe_is_enough(extract) -> None:
    found, _ = await extract("one_keyframe.mp4")
    assert [frame.at_seconds for frame in found] == pytest.approx([2.5, 7.5, 12.5, 17.5, 22.5, 27.5], abs=0.11)


async def test_many_frames_of_a_short_video(extract) -> None:
    found, _ = await extract("plain.mp4", count=64)
    assert len(found) == len({frame.at_seconds for frame in found}) == 40


async def test_hdr_is_shown_on_a_plain_screen(extract, tmp_path: Path) -> None:
    """The same signal without tone mapping has no bright parts."""
    (frame, *_), _ = await extract("hdr.mp4")
    with Image.open(tmp_path / frame.filename) as picture:
        assert picture.convert("L").getextrema()[1] > 200


async def test_a_gap_of_a_day_makes_no_hundred_thousand_frames(extract, tmp_path: Path) -> None:
    found, notices = await extract("gap.mkv")
    assert [frame.at_seconds for frame in found] == [0, 100_000]
    assert [notice.code for notice in notices] == ["timestamps_broken"]
    assert len(names(tmp_path)) == 2


async def test_truncated_video_gives_what_is_there(extract) -> None:
    found, notices = await extract("truncated.mp4")
    assert len(found) == 6
    assert found[-1].at_seconds < 1.7
    assert [notice.code for notice in notices] == ["media_truncated"]


async def test_a_header_alone_gives_nothing(extract) -> None:
    with pytest.raises(MediaError) as caught:
        await extract("header_only.mp4")
    assert caught.value.code == "media_truncated"


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp"])
async def test_animations_are_sampled(extract, name: str) -> None:
    found, _ = await extract(name, count=5)
    assert [frame.at_seconds for frame in found] == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5], abs=0.11)


async def test_a_picture_leaves_its_place_behind(extract, tmp_path: Path) -> None:
    (frame,), _ = await extract("located.jpg")
    with Image.open(tmp_path / frame.filename) as picture:
        assert picture.size == (300, 400)
        assert not picture.getexif()
    assert b"home" not in (tmp_path / frame.filename).read_bytes()


async def test_a_cut_picture_gives_what_is_there(extract) -> None:
    (_,), notices = await extract("cut.jpg")
    assert [notice.code for notice in notices] == ["media_truncated"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
async def test_every_colour_mode_becomes_plain(extract, tmp_path: Path, mode: str) -> None:
    source = tmp_path / ("source.tiff" if mode == "CMYK" else "source.png")
    Image.new("L", (40, 30), 200).convert("RGBA" if mode == "P" else "L").convert(mode).save(source)
    (frame,), _ = await extract(source)
    with Image.open(tmp_path / frame.filename) as picture:
        assert (picture.mode, picture.size) == ("RGB", (40, 30))


async def test_real_clips(extract, shared_media: Path) -> None:
    found, _ = await extract(shared_media / "talk.mp4")
    shown = true_times(shared_media / "talk.mp4")
    assert len(found) == 6
    assert all(min(abs(frame.at_seconds - at) for at in shown) < 0.002 for frame in found)
