from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from mediaanalysis.errors import MediaError
from mediaanalysis.media import audio
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.structs.media import AudioStream, Span
from tests.clips import RECIPES, Clips

SOUNDS = [name for name in RECIPES if name.startswith(("sound.", "plain."))]


@pytest.fixture
def extract(ffmpeg_sandbox: Sandbox, look, tmp_path: Path):
    async def extract(name: str | Path, language: str | None = None):
        clip = await look(name)
        return await audio.extract(ffmpeg_sandbox, clip.path, clip.probe, into=tmp_path, language=language)

    return extract


def describe(path: Path) -> list[str]:
    entries = "stream=codec_name,sample_rate,channels:format=duration"
    ask = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "csv=p=0"]
    return subprocess.check_output([*ask, path], text=True).replace("\n", ",").strip(",").split(",")


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def codes(track) -> list[str]:
    return [notice.code for notice in track.notices]


@pytest.mark.parametrize("name", SOUNDS)
async def test_sound_is_made_ready_for_speech(extract, tmp_path: Path, name: str) -> None:
    track = await extract(name)
    codec, rate, channels, duration = describe(tmp_path / track.filename)
    assert (codec, rate, channels) == ("flac", "16000", "1")
    assert float(duration) == pytest.approx(track.duration_seconds, abs=0.01)
    assert track.duration_seconds == pytest.approx(4, abs=0.15)
    assert not track.silences
    assert not track.notices


async def test_silences_are_found_in_the_same_pass(extract) -> None:
    track = await extract("pauses.wav")
    assert [(span.start, span.end) for span in track.silences] == [
        (pytest.approx(1, abs=0.05), pytest.approx(2, abs=0.05)),
        (pytest.approx(3, abs=0.05), 4),
    ]


async def test_times_are_those_of_the_media(extract) -> None:
    """The sound starts two seconds after the picture, so its first two seconds are silent."""
    track = await extract("late_sound.mkv")
    assert track.silences[0] == Span(0, pytest.approx(2, abs=0.05))


async def test_cancelling_channels_are_heard_all_the_same(extract, tmp_path: Path) -> None:
    track = await extract("cancel.wav")
    assert codes(track) == ["channels_cancel"]
    assert not track.silences
    assert names(tmp_path) == ["audio.flac"]


async def test_silence_is_silence(extract, tmp_path: Path) -> None:
    track = await extract("silence.wav")
    assert (track.silences, codes(track)) == ((Span(0, 2),), [])
    stereo = await extract("silence_stereo.wav")
    assert (stereo.silences, codes(stereo)) == ((Span(0, 2),), [])
    assert names(tmp_path) == ["audio.flac"]


@pytest.mark.parametrize(
    ("language", "track"), [(None, 2), ("en", 1), ("eng", 1), ("en-US", 1), ("de", 2), ("deu", 2), ("fr", 2)]
)
async def test_the_track_is_chosen(look, language: str | None, track: int) -> None:
    assert audio.choose((await look("tracks.mkv")).probe.audio, language).index == track


def test_without_marks_the_first_track_is_chosen() -> None:
    assert audio.choose([AudioStream(n, "aac", 2, 48_000) for n in (3, 4)], "sv").index == 3


async def test_several_tracks_are_told(extract) -> None:
    assert codes(await extract("tracks.mkv")) == ["several_audio_tracks"]


async def test_truncated_sound_is_told(extract) -> None:
    track = await extract("truncated.mp4")
    assert codes(track) == ["media_truncated"]
    assert 1 < track.duration_seconds < 2


async def test_no_sound_at_all_is_an_error(extract) -> None:
    with pytest.raises(MediaError) as caught:
        await extract("header_only.mp4")
    assert caught.value.code == "media_truncated"


async def test_a_gap_of_a_day_stays_small(ffmpeg_sandbox: Sandbox, look, tmp_path: Path) -> None:
    """What is written is bounded by what is declared, not by the timestamps."""
    clip = await look("sound_gap.mkv")
    probe = msgspec.structs.replace(clip.probe, duration_seconds=10.0)
    track = await audio.extract(ffmpeg_sandbox, clip.path, probe, into=tmp_path)
    assert track.duration_seconds <= 81


async def test_a_part_is_cut_exactly(ffmpeg_sandbox: Sandbox, clips: Clips, tmp_path: Path) -> None:
    for suffix in ("flac", "ogg"):
        part = await audio.cut(ffmpeg_sandbox, clips("sound.flac"), Span(1.25, 3), into=tmp_path / f"part.{suffix}")
        assert float(describe(part)[-1]) == pytest.approx(1.75, abs=0.02)


async def test_real_speech(extract, shared_media: Path) -> None:
    track = await extract(shared_media / "jfk.flac")
    assert track.duration_seconds == pytest.approx(11, abs=0.01)
