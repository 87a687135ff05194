from __future__ import annotations

import msgspec
import pytest

from mediaanalysis.errors import MediaError
from tests.clips import RECIPES
from tests.media.conftest import LIMITS

VIDEOS = [name for name in RECIPES if name.startswith("plain.")]
SOUNDS = [name for name in RECIPES if name.startswith("sound.")]
PICTURES = [name for name in RECIPES if name.startswith("text.")]


@pytest.mark.parametrize("name", VIDEOS)
async def test_video_of_every_container(look, name: str) -> None:
    probe = (await look(name)).probe
    assert probe.media_type == "video"
    assert probe.duration_seconds == pytest.approx(4, abs=0.15)
    assert (probe.video.width, probe.video.height) == (320, 180)
    assert [track.channels for track in probe.audio] == [1]


@pytest.mark.parametrize("name", SOUNDS)
async def test_sound_of_every_container(look, name: str) -> None:
    probe = (await look(name)).probe
    assert (probe.media_type, probe.video) == ("audio", None)
    assert probe.mime_type.startswith("audio/")
    assert probe.duration_seconds == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize("name", PICTURES)
async def test_pictures_of_every_format(look, name: str) -> None:
    probe = (await look(name)).probe
    assert (probe.media_type, probe.video.width, probe.video.height, probe.pictures) == ("image", 640, 360, 1)
    assert probe.duration_seconds is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [("rotated.mp4", (180, 320)), ("anamorphic.mp4", (427, 180)), ("located.jpg", (300, 400))],
)
async def test_size_is_as_shown(look, name: str, shown: tuple[int, int]) -> None:
    video = (await look(name)).probe.video
    assert (video.width, video.height) == shown


async def test_cover_art_is_no_video(look) -> None:
    probe = (await look("cover.mp3")).probe
    assert (probe.media_type, probe.video, len(probe.audio)) == ("audio", None, 1)


async def test_tracks_have_languages(look) -> None:
    tracks = (await look("tracks.mkv")).probe.audio
    assert [(track.language, track.default) for track in tracks] == [("eng", False), ("ger", True)]


async def test_a_missing_duration_is_measured(look) -> None:
    probe = (await look("no_duration.webm")).probe
    assert probe.duration_seconds == pytest.approx(4, abs=0.15)
    assert [notice.code for notice in probe.notices] == ["duration_unknown"]


async def test_animations_are_counted(look) -> None:
    assert (await look("animated.gif")).probe.pictures == 10
    assert (await look("animated.webp")).probe.pictures == 10
    many = (await look("many.gif")).probe
    assert (many.pictures, [notice.code for notice in many.notices]) == (600, ["animation_limited"])


@pytest.mark.parametrize(
    ("name", "limits", "code"),
    [
        ("plain.mp4", {"max_seconds": 3}, "media_too_long"),
        ("gap.mkv", {}, "media_too_long"),
        ("plain.mp4", {"max_pixels": 10_000}, "media_too_large"),
        ("text.png", {"max_pixels": 10_000}, "media_too_large"),
        ("huge.png", {}, "media_too_large"),
        ("no_index.mov", {}, "media_truncated"),
        ("encrypted.mp4", {}, "media_encrypted"),
    ],
)
async def test_what_cannot_be_used_is_refused(look, name: str, limits: dict[str, int], code: str) -> None:
    with pytest.raises(MediaError) as caught:
        await look(name, msgspec.structs.replace(LIMITS, **limits))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "head", [b"\0\0\0\x18ftypmp42", b"\x1aE\xdf\xa3", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"ID3\x04", b"fLaC", b"RIFF"]
)
async def test_good_first_bytes_and_nonsense(look, tmp_path, head: bytes) -> None:
    path = tmp_path / "nonsense"
    path.write_bytes((head + b"\x01\x02WAVE" if head == b"RIFF" else head) + bytes(range(256)) * 16)
    with pytest.raises(MediaError) as caught:
        await look(path)
    assert caught.value.code in {"media_damaged", "media_truncated", "media_unsupported"}
