"""Where to cut a long sound: in its pauses, so that no word stands on two sides, and no sound is sent twice.

Parts do not overlap. Together they hold every moment with a voice in it; long stretches without one are left out and
cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from mediaanalysis.structs.media import Span

LONG_PAUSE_SECONDS = 30.0
"""Without a voice for so long: worth leaving out. Shorter ones stay, in case a faint voice was not noticed."""
MARGIN_SECONDS = 0.5
"""Sound kept before the first and after the last voice of a part."""
SHORTEST_SECONDS = 1.0
AROUND = 0.1
"""A cut is looked for this share of the longest part before the even one, and up to the longest part after it."""


def split(
    speech: Sequence[Span], silences: Sequence[Span], duration_seconds: float, longest_seconds: float | None
) -> tuple[Span, ...]:
    """Parts of the sound, in order, none longer than `longest_seconds`. None: only long pauses part it.

    `speech` and `silences` are in order. Cuts lie in the longest pause near an even division; only where there is none
    for a whole part, the sound is cut where the limit says.
    """
    longest = longest_seconds or math.inf
    pauses = _pauses(speech, silences)
    return tuple(part for run in _runs(speech, duration_seconds) for part in _parts(run, speech, pauses, longest))


def _pauses(speech: Sequence[Span], silences: Sequence[Span]) -> list[Span]:
    """Where nobody speaks: measured quiet, and between voices (there it may have no length: the quietest moment)."""
    between = [Span(before.end, after.start) for before, after in pairwise(speech) if after.start >= before.end]
    return [*between, *silences]


def _runs(speech: Sequence[Span], duration_seconds: float) -> list[Span]:
    """Stretches with a voice in them, without the long pauses around them."""
    runs: list[Span] = []
    for span in speech:
        if runs and span.start - runs[-1].end < LONG_PAUSE_SECONDS:
            runs[-1] = Span(runs[-1].start, max(runs[-1].end, span.end))
        else:
            runs.append(span)
    return [
        Span(round(max(0.0, run.start - MARGIN_SECONDS), 3), round(min(duration_seconds, run.end + MARGIN_SECONDS), 3))
        for run in runs
        if run.start < duration_seconds
    ]


def _parts(run: Span, speech: Sequence[Span], pauses: Sequence[Span], longest: float) -> Iterator[Span]:
    """As few as can be, evenly long as far as the pauses allow; each begins at a voice, and ends at one."""
    start = run.start
    while run.end - start > longest:
        even = start + (run.end - start) / math.ceil((run.end - start) / longest)
        cut = _cut(start, even, longest, pauses)
        yield Span(start, _last_voice(start, cut, speech))
        start = _next_voice(cut, speech)
    yield Span(start, run.end)


def _cut(start: float, even: float, longest: float, pauses: Sequence[Span]) -> float:
    """In the longest pause near the even division; else in the latest one of the part; else where the limit says."""
    points = [(pause.start + min((pause.end - pause.start) / 2, MARGIN_SECONDS), pause) for pause in pauses]
    inside = [(point, pause) for point, pause in points if start + SHORTEST_SECONDS <= point <= start + longest]
    near = [(pause.end - pause.start, point) for point, pause in inside if point >= even - AROUND * longest]
    if near:
        return max(near, key=lambda one: (one[0], -abs(one[1] - even)))[1]
    return max((point for point, _ in inside), default=start + longest)


def _last_voice(start: float, cut: float, speech: Sequence[Span]) -> float:
    """Where a part ends that is cut there: soon after its last voice."""
    ends = [min(span.end, cut) for span in speech if span.start < cut and span.end > start]
    return round(min(cut, ends[-1] + MARGIN_SECONDS), 3) if ends else cut


def _next_voice(cut: float, speech: Sequence[Span]) -> float:
    """Where the next part begins: shortly before its first voice."""
    starts = (span.start for span in speech if span.end > cut)
    return round(max(cut, next(starts, cut) - MARGIN_SECONDS), 3)
