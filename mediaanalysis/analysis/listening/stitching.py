"""One transcript out of those of the parts. Parts lie in order and do not overlap, so their words do not either."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from mediaanalysis.analysis.listening.repetition import plain
from mediaanalysis.errors import WARNINGS
from mediaanalysis.structs.media import Notice, Span
from mediaanalysis.structs.transcript import Gap, Segment, Transcript, Word
from mediaanalysis.structs.usage import Usage

TOUCHING_SECONDS = 0.1
"""A word that ends, or begins, so near to a cut may have been cut in two, and heard on both sides."""


class HeardPart(Struct, frozen=True):
    """A part and what was said in it, in its place; or, where it was lost for good, why."""

    part: Span
    transcript: Transcript | None = None
    lost_because: str = ""


def stitched(parts: Sequence[HeardPart]) -> Transcript:
    """All that was heard. Lost parts are gaps, with a warning. At least one part must have been heard."""
    heard = _seamless([one for one in parts if one.transcript is not None])
    found = _speakers_apart([one.transcript for one in heard if one.transcript is not None])
    gaps = tuple(Gap(one.part.start, one.part.end, one.lost_because) for one in parts if one.transcript is None)
    main = max(heard, key=lambda one: one.part.end - one.part.start).transcript
    assert main is not None
    text = " ".join(one.text for one in found if one.text)
    return Transcript(
        text=text,
        provider=_most([one.provider for one in found]),
        model=_most([one.model for one in found]),
        language=main.language,
        confidence=_confidence(found),
        words=tuple(word for one in found for word in one.words),
        segments=tuple(segment for one in found for segment in one.segments),
        gaps=(*(gap for one in found for gap in one.gaps), *gaps),
        no_speech=not text and not gaps,
        usage=_usage(found),
        notices=_notices(found, len(gaps), len(parts)),
    )


def _seamless(heard: Sequence[HeardPart]) -> list[HeardPart]:
    """Without the second half of words that were cut in two and heard twice."""
    joined = list(heard[:1])
    for left, right in pairwise(heard):
        joined.append(replace(right, transcript=_unless_doubled(left, right)))
    return joined


def _unless_doubled(left: HeardPart, right: HeardPart) -> Transcript | None:
    assert left.transcript is not None
    assert right.transcript is not None
    cut, before, after = right.part.start, left.transcript.words, right.transcript.words
    if left.part.end != cut or not before or not after or plain(before[-1].text) != plain(after[0].text):
        return right.transcript
    is_near = before[-1].end > cut - TOUCHING_SECONDS and after[0].start < cut + TOUCHING_SECONDS
    return _without_first_word(right.transcript, after[0]) if is_near else right.transcript


def _without_first_word(transcript: Transcript, word: Word) -> Transcript:
    first, rest = transcript.segments[:1], transcript.segments[1:]
    shorter = [replace(segment, text=_shorter(segment.text, word)) for segment in first]
    kept: list[Segment] = [segment for segment in shorter if segment.text]
    return replace(
        transcript, text=_shorter(transcript.text, word), words=transcript.words[1:], segments=(*kept, *rest)
    )


def _shorter(text: str, word: Word) -> str:
    first, _, rest = text.strip().partition(" ")
    return rest if plain(first) == plain(word.text) else text


def _speakers_apart(found: Sequence[Transcript]) -> list[Transcript]:
    """Labels of speakers hold within a part only: they get its number."""
    if sum(_has_speakers(one) for one in found) < 2:
        return list(found)
    return [_labelled(one, number) for number, one in enumerate(found, start=1)]


def _has_speakers(transcript: Transcript) -> bool:
    return any(segment.speaker is not None for segment in transcript.segments)


def _labelled(transcript: Transcript, number: int) -> Transcript:
    def label(speaker: str | None) -> str | None:
        return None if speaker is None else f"{number}:{speaker}"

    return replace(
        transcript,
        words=tuple(replace(word, speaker=label(word.speaker)) for word in transcript.words),
        segments=tuple(replace(segment, speaker=label(segment.speaker)) for segment in transcript.segments),
        notices=(*transcript.notices, Notice("speakers_by_part", WARNINGS["speakers_by_part"])),
    )


def _most(names: Sequence[str]) -> str:
    return Counter(names).most_common(1)[0][0]


def _confidence(found: Sequence[Transcript]) -> float | None:
    """The mean over the characters said."""
    known = [(one.confidence, len(one.text)) for one in found if one.confidence is not None]
    weight = sum(length for _, length in known)
    return round(sum(value * length for value, length in known) / weight, 3) if weight else None


def _usage(found: Sequence[Transcript]) -> Usage:
    costs = [one.usage.cost_usd for one in found]
    known = [cost for cost in costs if cost is not None]
    return Usage(
        input_tokens=sum(one.usage.input_tokens for one in found),
        output_tokens=sum(one.usage.output_tokens for one in found),
        cost_usd=sum(known) if len(known) == len(costs) else None,
    )


def _notices(found: Sequence[Transcript], lost: int, parts: int) -> tuple[Notice, ...]:
    """Each once: a part without speech says nothing about the whole."""
    said = [notice for one in found for notice in one.notices if notice.code != "no_speech"]
    if lost:
        said.append(Notice("part_lost", f"{WARNINGS['part_lost']} {lost} of {parts} parts."))
    elif not any(one.text for one in found):
        said.append(Notice("no_speech", WARNINGS["no_speech"]))
    return tuple(dict.fromkeys(said))
