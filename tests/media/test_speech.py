"""Voice activity: speech is found, also in noise and over music; nothing else is taken for it."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from mediaanalysis.media import speech
from mediaanalysis.media.children import voice
from mediaanalysis.sandbox import Resident, Sandbox
from mediaanalysis.structs.media import Span
from tests import sounds

BLOCK_SECONDS = voice.BLOCK // voice.RATE


@pytest_asyncio.fixture(scope="session")
async def listener() -> AsyncIterator[Resident]:
    resident = speech.resident(Sandbox(1, work=(Path(gettempdir()),)), idle_seconds=60)
    yield resident
    await resident.aclose()


def spans(path: Path) -> list[tuple[float, float]]:
    return voice.handle({"audio": str(path)})


def covered(found: list[tuple[float, float]]) -> float:
    return sum(stop - start for start, stop in found)


@pytest.mark.parametrize("name", sounds.NOT_SPEECH)
def test_what_is_not_speech_is_not_taken_for_it(name: str, tmp_path: Path) -> None:
    assert spans(sounds.write(tmp_path / "sound.flac", sounds.NOT_SPEECH[name](10))) == []


def test_speech_is_found_where_it_is(tmp_path: Path) -> None:
    samples = np.concatenate([sounds.silence(3), sounds.speech_like(4), sounds.silence(3)])
    found = spans(sounds.write(tmp_path / "sound.flac", samples))
    assert found[0][0] == pytest.approx(3, abs=0.35)
    assert found[-1][1] == pytest.approx(7, abs=0.35)
    assert covered(found) > 3


def test_speech_is_found_behind_music(tmp_path: Path) -> None:
    samples = np.concatenate([sounds.chords(10) * 0.3, sounds.silence(1), sounds.speech_like(5)])
    found = spans(sounds.write(tmp_path / "sound.flac", samples))
    assert found
    assert found[0][0] > 8


def test_quiet_speech_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "quiet.flac"
    samples = sounds.speech_like(5)
    soundfile.write(path, samples / np.abs(samples).max() * 0.01, sounds.RATE, subtype="PCM_16")
    assert covered(spans(path)) > 3


def test_long_speech_is_cut_where_it_is_quietest(tmp_path: Path) -> None:
    samples = sounds.speech_like(25) + 0.01
    pause = slice(int(15.0 * sounds.RATE), int(15.2 * sounds.RATE))
    samples[pause] *= 0.01
    found = spans(sounds.write(tmp_path / "long.flac", samples))
    assert max(stop - start for start, stop in found) <= 20
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert any(abs(stop - 15.1) < 0.15 for _, stop in found)


def test_sound_longer_than_a_block_keeps_its_times(tmp_path: Path) -> None:
    samples = np.concatenate([sounds.silence(BLOCK_SECONDS + 2), sounds.speech_like(4)])
    found = spans(sounds.write(tmp_path / "late.flac", samples))
    assert found[0][0] == pytest.approx(BLOCK_SECONDS + 2, abs=0.35)
    assert found[-1][1] <= len(samples) / sounds.RATE


def test_no_samples_are_no_speech(tmp_path: Path) -> None:
    path = tmp_path / "empty.flac"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=16000", "-t", "0", path], check=True)
    assert spans(path) == []


@sounds.needs_clip
async def test_a_real_voice_through_a_child(listener: Resident, tmp_path: Path) -> None:
    found = await speech.find(listener, sounds.real_speech(tmp_path))
    assert all(isinstance(span, Span) for span in found)
    assert len(found) == 3
    assert sum(span.end - span.start for span in found) > 8


async def test_a_child_answers_spans(listener: Resident, tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "sound.flac", sounds.speech_like(4))
    found = await speech.find(listener, path)
    assert found[0].start < found[-1].end <= 4
