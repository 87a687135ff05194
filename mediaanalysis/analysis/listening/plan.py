"""How a sound goes to recognisers: in which parts, in which form. Made for all who may be asked, so that whoever takes
a part over takes it as it is."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mediaanalysis.analysis.listening.splitting import split
from mediaanalysis.providers.catalogue import Model
from mediaanalysis.structs.media import AudioTrack, Span

LONGEST_SECONDS = 1200.0
"""Whatever a recogniser allows: much longer requests fail more often, and what is lost with one is more."""
SECONDS_SHARE, BYTES_SHARE = 0.85, 0.8
"""Of the limits, what is used: limits are counted differently here and there, and loud parts are larger."""
OPUS_BYTES_PER_SECOND = 3_600
"""At 24 kbit/s, with the container."""
SHORTEST_LIMIT_SECONDS = 30.0
WHOLE_SHARE = 0.9
"""One part that is so much of the sound is sent as the sound itself, without making another file."""

FLAC, OPUS = "flac", "ogg"
MIME_TYPES = {FLAC: "audio/flac", OPUS: "audio/ogg"}


class Plan(Struct, frozen=True):
    """`form` is the suffix of the files to make; `whole`: the one part is the file as it lies there."""

    parts: tuple[Span, ...]
    form: str = FLAC
    whole: bool = False


def plan(track: AudioTrack, size_bytes: int, models: Sequence[Model]) -> Plan:
    """The parts of an extracted sound (FLAC of `size_bytes`) for any of `models`. No speech, no parts."""
    rate = size_bytes / max(track.duration_seconds, 1.0)
    longest = min([LONGEST_SECONDS, *(SECONDS_SHARE * m.max_seconds for m in models if m.max_seconds is not None)])
    room = min((BYTES_SHARE * m.max_bytes for m in models if m.max_bytes is not None), default=None)
    form = _form(models, longest, room, rate)
    if room is not None:
        longest = min(longest, room / (rate if form == FLAC else OPUS_BYTES_PER_SECOND))
    longest = max(longest, SHORTEST_LIMIT_SECONDS)
    parts = split(track.speech, track.silences, track.duration_seconds, longest)
    if len(parts) == 1 and FLAC in _forms(models) and _is_whole(parts[0], track, longest):
        return Plan((Span(0.0, track.duration_seconds),), FLAC, whole=True)
    return Plan(parts, form)


def _forms(models: Sequence[Model]) -> list[str]:
    """What all of them take."""
    return [form for form in (FLAC, OPUS) if all(form in model.formats for model in models)]


def _form(models: Sequence[Model], longest: float, room: float | None, rate: float) -> str:
    """Lossless as long as it does not make more parts than needed."""
    forms = _forms(models) or [FLAC]
    fits = room is None or longest * rate <= room
    return forms[0] if fits else forms[-1]


def _is_whole(part: Span, track: AudioTrack, longest: float) -> bool:
    return part.end - part.start >= WHOLE_SHARE * track.duration_seconds and track.duration_seconds <= longest
