"""Where to cut a long sound: in its pauses, so that no word stands on two sides, and no sound is sent twice.

Parts do not overlap. Together they hold every moment with a voice in it; long stretches without one are left out and
cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from mediaanalysis.structs.media import Span

LONG_PAUSE_SECONDS = 30.0
"""Without a voice for so long: worth leaving out. Shorter ones stay, in case a faint voice was not noticed."""
MARGIN_SECONDS = 0.5
"""Sound kept before the first and after the last voice of a part."""
AROUND = 0.1
"""A cut is looked for this share of the longest part before the even one, and up to the longest part after it."""


def split(
    speech: Sequence[Span], silences: Sequence[Span], duration_seconds: float, longest_seconds: float | None
) -> tuple[Span, ...]:
    """Parts of the sound, in order, none longer than `longest_seconds`. None: only long pauses part it.

    `speech` and `silences` are in order. Cuts lie in the middle of the longest pause near an even division; only where
    there is none for a whole part, the sound is cut where the limit says.
    """
    longest = longest_seconds or math.inf
    pauses = _pauses(speech, silences)
    parts: list[Span] = []
    for run in _runs(speech, duration_seconds):
        cuts = _cuts(run, pauses, longest)
        parts.extend(Span(*edges) for edges in pairwise([run.start, *cuts, run.end]))
    trimmed = [_trim(part, speech) for part in parts]
    return tuple(part for part in trimmed if part is not None)


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
        Span(max(0.0, run.start - MARGIN_SECONDS), min(duration_seconds, run.end + MARGIN_SECONDS))
        for run in runs
        if run.start < duration_seconds
    ]


def _cuts(run: Span, pauses: Sequence[Span], longest: float) -> list[float]:
    """As few as can be, evenly spread as far as the pauses allow."""
    cuts: list[float] = []
    start = run.start
    while run.end - start > longest:
        parts = math.ceil((run.end - start) / longest)
        even = start + (run.end - start) / parts
        start = _cut(start, even, start + longest, longest, pauses)
        cuts.append(start)
    return cuts


def _cut(start: float, even: float, last: float, longest: float, pauses: Sequence[Span]) -> float:
    """The middle of the longest pause near the even division; else of the one latest in the part; else its end."""
    middles = [(pause.end - pause.start, (pause.start + pause.end) / 2) for pause in pauses]
    inside = [pause for pause in middles if start + longest / 4 <= pause[1] <= last]
    near = [pause for pause in inside if pause[1] >= even - AROUND * longest]
    if near:
        return max(near, key=lambda pause: (pause[0], -abs(pause[1] - even)))[1]
    return max((middle for _, middle in inside), default=last)


def _trim(part: Span, speech: Sequence[Span]) -> Span | None:
    """The part without what lies before its first and after its last voice; None if there is no voice in it."""
    voices = [span for span in speech if span.end > part.start and span.start < part.end]
    if not voices:
        return None
    start = max(part.start, voices[0].start - MARGIN_SECONDS)
    end = min(part.end, max(span.end for span in voices) + MARGIN_SECONDS)
    return Span(round(start, 3), round(end, 3))
