"""A transcript out of what was heard: times inside the clip and in order, segments where the vendor gives none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TypeVar

import msgspec

from mediaanalysis.errors import WARNINGS
from mediaanalysis.providers.choice import Candidate
from mediaanalysis.providers.local.speech import segments
from mediaanalysis.providers.wire import Clip, Heard
from mediaanalysis.structs.media import Notice
from mediaanalysis.structs.transcript import Segment, Transcript, Word
from mediaanalysis.structs.usage import Call, total

Timed = TypeVar("Timed", Word, Segment)

SLACK_SECONDS = 1.0
"""How far past the end of the clip a time may lie and still be meant: encoders pad."""


def transcript(candidate: Candidate, clip: Clip, heard: Heard, calls: tuple[Call, ...]) -> Transcript:
    """Times are seconds from the start of the clip. Text that came without any times stands as one segment."""
    words = in_order(heard.words, clip.duration_seconds)
    phrases = in_order(heard.segments, clip.duration_seconds) or list(segments(words))
    said = heard.text or "\n".join(phrase.text for phrase in phrases)
    if said and not phrases:
        phrases = [Segment(said, 0.0, clip.duration_seconds)]
    return Transcript(
        text=said,
        provider=candidate.provider,
        model=candidate.model.name,
        language=heard.language or clip.language,
        confidence=heard.confidence if heard.confidence is not None else _confidence([*words, *phrases]),
        words=tuple(words),
        segments=tuple(phrases),
        no_speech=not said,
        usage=total(calls),
        notices=() if said else (Notice("no_speech", WARNINGS["no_speech"]),),
        calls=calls,
    )


def in_order(timed: Iterable[Timed], end: float) -> list[Timed]:
    """Without what has no text or lies outside, clipped to the clip, sorted, none beginning before the last one ended.

    Vendors send times that are reversed, of no length, or past the end.
    """
    kept: list[Timed] = []
    for one in sorted(timed, key=lambda one: (one.start, one.end)):
        floor = kept[-1].end if kept else 0.0
        start, stop = max(one.start, floor), min(max(one.end, one.start, floor), end)
        if one.text and one.start <= end + SLACK_SECONDS:
            start = min(start, end)
            kept.append(msgspec.structs.replace(one, start=round(start, 3), end=round(max(start, stop), 3)))
    return kept


def _confidence(timed: Sequence[Word | Segment]) -> float | None:
    known = [one.confidence for one in timed if one.confidence is not None]
    return round(fmean(known), 3) if known else None
