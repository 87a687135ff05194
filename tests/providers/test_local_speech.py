"""Local transcription: words with exact times, each once, in order; failures of parts are gaps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest

from mediaanalysis.errors import ResourceError, StaleJob
from mediaanalysis.metrics import Metrics
from mediaanalysis.providers import Providers
from mediaanalysis.providers.local import speech as local_speech
from mediaanalysis.providers.local.children import recogniser
from mediaanalysis.providers.local.speech import LocalSpeech, chunks, segments
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.settings import Settings
from mediaanalysis.structs.answers import TranscriptionRequest
from mediaanalysis.structs.media import Span
from mediaanalysis.structs.requests import Config
from mediaanalysis.structs.transcript import Word
from tests import sounds

SPANS = (Span(0.0, 6.0), Span(7.0, 9.0), Span(9.0, 12.0), Span(15.0, 40.0))


async def ignore(_fraction: float) -> None:
    pass


def request(speech: tuple[Span, ...] = SPANS, audio: Path = Path("audio.flac")) -> TranscriptionRequest:
    return TranscriptionRequest(audio=audio, duration_seconds=40, speech=speech)


class Recogniser:
    """Stands for the child: hears one word in each span, and dies on the spans it is told to."""

    def __init__(self, dies_on: set[float]) -> None:
        self.dies_on = dies_on

    async def call(self, payload: dict[str, Any], *, timeout_seconds: float) -> list[tuple[str, float, float, float]]:
        if {start for start, _ in payload["spans"]} & self.dies_on:
            raise ResourceError("A model process died while it worked on this media.")
        return [(f"word{start:g}", start, start + 0.5, 0.8) for start, _ in payload["spans"]]

    async def aclose(self) -> None:
        pass


@pytest.fixture
def speech(monkeypatch: pytest.MonkeyPatch) -> LocalSpeech:
    speech = LocalSpeech(Sandbox(1, work=(Path(gettempdir()),)), idle_seconds=1, copies=1)
    monkeypatch.setattr(speech, "_recogniser", Recogniser(set()))
    return speech


def test_neighbours_are_heard_together() -> None:
    assert [[span.start for span in chunk] for chunk in chunks(SPANS)] == [[0.0, 7.0], [9.0], [15.0]]
    assert chunks(()) == []


def test_segments_end_at_pauses_and_before_they_are_too_long() -> None:
    words = [Word(str(n), start, start + 0.4, 0.5) for n, start in enumerate((0.0, 0.5, 2.0, 2.4))]
    assert [segment.text for segment in segments(words)] == ["0 1", "2 3"]
    steady = [Word("w", n * 0.5, n * 0.5 + 0.5) for n in range(60)]
    assert max(segment.end - segment.start for segment in segments(steady)) <= local_speech.LONGEST_SEGMENT_SECONDS
    assert list(segments([])) == []


async def test_chunks_are_stitched_in_order_and_progress_is_told(speech: LocalSpeech) -> None:
    told: list[float] = []

    async def tell(fraction: float) -> None:
        told.append(fraction)

    transcript = await speech.transcribe(request(), "m", tell)
    assert [word.start for word in transcript.words] == [0.0, 7.0, 9.0, 15.0]
    assert transcript.text == "word0\nword7\nword9\nword15"
    assert (transcript.confidence, transcript.language, transcript.gaps) == (0.8, "en", ())
    assert told == pytest.approx([1 / 3, 2 / 3, 1])


async def test_a_lost_part_is_a_gap_and_said(speech: LocalSpeech, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "_recogniser", Recogniser({9.0}))
    transcript = await speech.transcribe(request(), "m", ignore)
    assert [(gap.start, gap.end) for gap in transcript.gaps] == [(9.0, 12.0)]
    assert [notice.code for notice in transcript.notices] == ["transcription_failed"]
    assert len(transcript.words) == 3


async def test_all_parts_lost_is_a_failure(speech: LocalSpeech, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "_recogniser", Recogniser({0.0, 9.0, 15.0}))
    with pytest.raises(ResourceError):
        await speech.transcribe(request(), "m", ignore)


async def test_what_progress_raises_ends_the_work_and_is_raised_as_it_is(speech: LocalSpeech) -> None:
    async def refuse(_fraction: float) -> None:
        raise StaleJob("taken away")

    with pytest.raises(StaleJob):
        await speech.transcribe(request(), "m", refuse)


async def test_nothing_heard_is_no_speech(speech: LocalSpeech) -> None:
    transcript = await speech.transcribe(request(speech=()), "m", ignore)
    assert (transcript.no_speech, transcript.text, transcript.confidence) == (True, "", None)
    assert [notice.code for notice in transcript.notices] == ["no_speech"]


def test_the_recogniser_keeps_within_its_spans(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "audio.flac", sounds.speech_like(6))
    spans = [(0.5, 2.5), (2.5, 6.0)]
    words = recogniser.handle({"audio": str(path), "spans": spans})
    assert words
    assert all(any(low <= start <= end <= high for low, high in spans) for _, start, end, _ in words)
    assert all(before[2] <= after[1] for before, after in pairwise(words))
    assert all(0 <= confidence <= 1 and not recogniser.VARIANT.search(text) for text, _, _, confidence in words)


def test_silence_has_no_words(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "audio.flac", sounds.silence(2))
    assert recogniser.handle({"audio": str(path), "spans": [(0.0, 2.0)]}) == []


@sounds.needs_clip
async def test_a_real_voice_is_understood(tmp_path: Path) -> None:
    settings = Settings(cpu_slots=2)
    async with Providers.open(settings, Sandbox(2, work=(Path(gettempdir()),)), Metrics()) as providers:
        spans = (Span(0.11, 4.51), Span(4.94, 7.75), Span(8.09, 11.0))
        heard = request(spans, sounds.real_speech(tmp_path))
        transcript = await providers.transcribe(heard, Config(), on_progress=ignore)
    assert {"fellow", "country"} <= set(transcript.text.split())
    assert (transcript.provider, transcript.model) == ("local", "pocketsphinx-en-us")
    fellow = next(word for word in transcript.words if word.text == "fellow")
    assert fellow.start == pytest.approx(1.24, abs=0.15)
