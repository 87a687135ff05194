"""Made-up talks, and a recogniser that hears them without error: it is told where a part begins and ends, not what
else there is."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec import Struct

from mediaanalysis.structs.media import Span
from mediaanalysis.structs.transcript import Transcript, Word


class Talk(Struct, frozen=True):
    words: tuple[Word, ...]
    speech: tuple[Span, ...]
    silences: tuple[Span, ...]
    duration_seconds: float


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Phrases of words, closer or farther apart, from seconds to hours. Every word is another one. Voices carry 0.1 s
    of the quiet around them, as the detector's do."""
    phrases = draw(st.lists(st.tuples(st.integers(1, 12), st.floats(0.45, 90)), min_size=1, max_size=60))
    pace = draw(st.floats(0.1, 0.9))
    at = draw(st.floats(0.2, 60))
    words: list[Word] = []
    speech: list[Span] = []
    for count, pause in phrases:
        start = at
        for _ in range(count):
            words.append(Word(f"word{len(words)}", round(at, 3), round(at + pace, 3)))
            at += pace + 0.05
        speech.append(Span(start - 0.1, at + 0.05))
        at += pause
    starts = [0.0, *(span.end for span in speech)]
    ends = [*(span.start for span in speech), at]
    silences = tuple(Span(start, end) for start, end in zip(starts, ends, strict=True) if end - start >= 0.4)
    return Talk(tuple(words), tuple(speech), silences, at)


def heard(talk: Talk, part: Span) -> Transcript:
    """The words of which half or more lies in the part, with times from its start."""
    inside = [word for word in talk.words if part.start <= (word.start + word.end) / 2 < part.end]
    return Transcript(
        text=" ".join(word.text for word in inside),
        provider="fake",
        model="perfect",
        words=tuple(Word(word.text, word.start - part.start, word.end - part.start) for word in inside),
    )
