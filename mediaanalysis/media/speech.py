"""Voice activity: which parts of a sound hold speech. What holds none is never sent to a recogniser."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mediaanalysis.sandbox import Limits, Reach, Resident, Sandbox
from mediaanalysis.structs.media import Span

TIMEOUT_SECONDS = 300
"""Ten hours take 45 s on one slow core."""
LIMITS = Limits(cpu_seconds=6 * TIMEOUT_SECONDS)
"""It measures in two threads."""


def resident(sandbox: Sandbox, *, idle_seconds: float) -> Resident:
    """The child that listens."""
    module, reach = "mediaanalysis.media.children.voice", Reach(reads=sandbox.work)
    return Resident(sandbox, module, idle_seconds=idle_seconds, limits=LIMITS, reach=reach)


async def find(voice: Resident, audio: Path) -> tuple[Span, ...]:
    """Spans of `audio` (16 kHz mono) with a voice in them: in order, none overlaps another or is longer than 20 s.

    Speech is found in noise and over music at 5 dB; silence, noise, tones and instruments are not taken for it.
    Spans are exact to about 0.1 s and carry so much of the quiet around them.
    """
    found = await voice.call({"audio": str(audio)}, timeout_seconds=TIMEOUT_SECONDS)
    return tuple(Span(start, end) for start, end in msgspec.convert(found, list[tuple[float, float]]))
