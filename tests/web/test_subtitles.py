from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mediaanalysis.structs.transcript import Segment, Transcript, Word
from mediaanalysis.web.responses import subtitles

TIMES = st.floats(0, 36_000, allow_nan=False)
ODD_TEXTS = st.sampled_from(["-->", "a<b>&c", "1", "WEBVTT"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=120) | ODD_TEXTS
WORDS = st.builds(Word, text=TEXTS, start=TIMES, end=TIMES, speaker=st.sampled_from([None, "A", "B"]))
SEGMENTS = st.builds(Segment, text=TEXTS, start=TIMES, end=TIMES)


def transcript(words: list[Word] | None = None, segments: list[Segment] | None = None) -> Transcript:
    return Transcript("", "local", "m", words=tuple(words or ()), segments=tuple(segments or ()))


TRANSCRIPTS = st.lists(WORDS, max_size=40).map(transcript) | st.lists(SEGMENTS, max_size=8).map(
    lambda segments: transcript(segments=segments)
)
CUE_TIMES = r"\d\d+:[0-5]\d:[0-5]\d{point}\d{{3}} --> \d\d+:[0-5]\d:[0-5]\d{point}\d{{3}}"


@given(TRANSCRIPTS)
def test_cues_keep_the_rules_whatever_the_words_are(spoken: Transcript) -> None:
    cues = subtitles.cues(spoken)
    for cue in cues:
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= 42 and line == line.strip() for line in cue.lines)
        assert 0 <= cue.start_ms < cue.end_ms
    for cue, following in pairwise(cues):
        assert cue.end_ms <= following.start_ms
        assert cue.end_ms - cue.start_ms >= min(1000, following.start_ms - cue.start_ms)


@given(TRANSCRIPTS)
def test_cues_lose_no_text(spoken: Transcript) -> None:
    said = "".join(each.text for each in spoken.words or spoken.segments).replace("\0", "")
    shown = "".join(line for cue in subtitles.cues(spoken) for line in cue.lines)
    assert "".join(shown.split()) == "".join(said.split())


@given(TRANSCRIPTS)
def test_vtt_parses_back_to_its_cues(spoken: Transcript) -> None:
    header, *blocks = subtitles.vtt(spoken).removesuffix("\n").split("\n\n")
    assert header.strip() == "WEBVTT"
    cues = subtitles.cues(spoken)
    assert len(blocks) == len(cues)
    for block, cue in zip(blocks, cues, strict=True):
        times, *lines = block.split("\n")
        assert re.fullmatch(CUE_TIMES.format(point=r"\."), times)
        assert not any("-->" in line or "<" in line for line in lines)
        unescaped = [line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for line in lines]
        assert tuple(unescaped) == cue.lines


@given(TRANSCRIPTS)
def test_srt_is_numbered_and_no_text_looks_like_times(spoken: Transcript) -> None:
    text = subtitles.srt(spoken)
    blocks = text.removesuffix("\n").split("\n\n") if text else []
    assert len(blocks) == len(subtitles.cues(spoken))
    for number, block in enumerate(blocks, start=1):
        count, times, *lines = block.split("\n")
        assert count == str(number)
        assert re.fullmatch(CUE_TIMES.format(point=","), times)
        assert lines
        assert not any("-->" in line for line in lines)


def test_cues_break_at_sentences_pauses_and_speakers() -> None:
    words = [
        Word("Ask", 0.0, 0.6),
        Word("not.", 0.7, 1.2),
        Word("What", 1.3, 1.5),
        Word("then?", 3.0, 3.2),
        Word("You", 3.3, 3.5, speaker="B"),
    ]
    assert [cue.lines for cue in subtitles.cues(transcript(words))] == [("Ask not.",), ("What",), ("then?",), ("You",)]


def test_two_lines_are_balanced() -> None:
    text = "ask not what your country can do for you ask what you"
    (cue,) = subtitles.cues(transcript(segments=[Segment(text, 0, 5)]))
    assert cue.lines == ("ask not what your country", "can do for you ask what you")


def test_a_long_film_has_times_beyond_a_day() -> None:
    assert "25:00:00,000 --> 25:00:01,000" in subtitles.srt(transcript([Word("end", 90_000, 90_000.2)]))


def test_nothing_said() -> None:
    assert subtitles.srt(transcript()) == ""
    assert subtitles.vtt(transcript()) == "WEBVTT\n"
