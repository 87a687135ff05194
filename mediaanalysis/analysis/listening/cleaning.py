"""What a recogniser said of one part, put in its place: times from the start of the medium, in order, inside the part,
and without what it made up: loops, and words after the last voice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from msgspec.structs import replace

from mediaanalysis.analysis.listening import repetition
from mediaanalysis.errors import WARNINGS
from mediaanalysis.structs.media import Notice, Span
from mediaanalysis.structs.transcript import Segment, Transcript, Word

Timed = TypeVar("Timed", Word, Segment)

TAIL_SECONDS = 1.0
"""Recognisers' times are off by less; what begins later after the last voice was said by nobody."""
PAUSE_SECONDS = 0.8
LONGEST_SEGMENT_SECONDS = 12.0
SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")  # noqa: RUF001 - full-width ones are meant


def placed(transcript: Transcript, part: Span, speech: Sequence[Span]) -> Transcript:
    """The transcript of the part of the medium it was made of. Its times count from the start of the part; `speech`,
    and the times that come back, from the start of the medium."""
    voices = _inside(speech, part)
    words = _timed(transcript.words, part, voices)
    segments = _timed(transcript.segments, part, voices)
    kept_words, kept_segments = _unlooped(words), _unlooped(segments)
    text = repetition.cut(transcript.text)
    made_up = [len(kept_words) < len(transcript.words), len(kept_segments) < len(transcript.segments)]
    made_up += [text != transcript.text, kept_segments != segments]
    if any(made_up):
        text = _rebuilt(kept_words, kept_segments, text)
    return replace(
        transcript,
        text=text.strip(),
        words=tuple(kept_words),
        segments=tuple(kept_segments or _segments(kept_words, text.strip(), voices)),
        notices=(*transcript.notices, *([_made_up()] if any(made_up) else [])),
    )


def _inside(speech: Sequence[Span], part: Span) -> list[Span]:
    """The voices of the part; the whole part where none is known."""
    voices = [span for span in speech if span.end > part.start and span.start < part.end]
    return voices or [part]


def _timed(pieces: Sequence[Timed], part: Span, voices: Sequence[Span]) -> list[Timed]:
    """In place and in order, without those that lie outside of the part or after its last voice."""
    latest = voices[-1].end + TAIL_SECONDS
    found: list[Timed] = []
    at = part.start
    for piece in sorted(pieces, key=lambda piece: piece.start):
        start, end = part.start + piece.start, part.start + max(piece.start, piece.end)
        if (start + end) / 2 > part.end or end < part.start or start > latest:
            continue
        start = min(max(start, at), part.end)
        at = min(max(start, end), part.end)
        found.append(replace(piece, start=round(start, 3), end=round(at, 3)))
    return found


def _unlooped(pieces: Sequence[Timed]) -> list[Timed]:
    """Without the repeats of loops, within one piece and over several."""
    flat = [(index, word) for index, piece in enumerate(pieces) for word in piece.text.split()]
    stay = repetition.kept([word for _, word in flat])
    if len(stay) == len(flat):
        return list(pieces)
    texts: dict[int, list[str]] = {}
    for index, word in (flat[number] for number in stay):
        texts.setdefault(index, []).append(word)
    return [replace(pieces[index], text=" ".join(words)) for index, words in texts.items()]


def _rebuilt(words: Sequence[Word], segments: Sequence[Segment], text: str) -> str:
    """The text out of what was kept; as it is where the recogniser gave nothing but text."""
    pieces: Sequence[Word | Segment] = segments or words
    return " ".join(piece.text.strip() for piece in pieces) if pieces else text


def _segments(words: Sequence[Word], text: str, voices: Sequence[Span]) -> list[Segment]:
    """For a recogniser that gives none: by sentences and pauses, or the whole between the first and the last voice."""
    if words:
        return list(_sentences(words))
    return [Segment(text, voices[0].start, voices[-1].end)] if text else []


def _sentences(words: Sequence[Word]) -> Iterator[Segment]:
    run = [words[0]]
    for before, word in pairwise(words):
        ended = before.text.endswith(SENTENCE_ENDS) or word.start - before.end >= PAUSE_SECONDS
        if ended or word.end - run[0].start > LONGEST_SEGMENT_SECONDS or word.speaker != before.speaker:
            yield _segment(run)
            run = []
        run.append(word)
    yield _segment(run)


def _segment(words: Sequence[Word]) -> Segment:
    text = " ".join(word.text for word in words)
    return Segment(text, words[0].start, words[-1].end, speaker=words[0].speaker)


def _made_up() -> Notice:
    return Notice("made_up_cut", WARNINGS["made_up_cut"])
