"""The sound of a medium, made ready for speech recognition in one pass: 16 kHz mono FLAC, and where it is quiet.

Gaps in the timestamps become silence and a late start is kept, so times in the sound are times in the medium.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mediaanalysis.errors import WARNINGS, MediaError
from mediaanalysis.media import ffmpeg
from mediaanalysis.sandbox import Sandbox
from mediaanalysis.structs.media import AudioStream, AudioTrack, MediaProbe, Notice, Span

FILENAME = "audio.flac"
RATE_HZ = 16_000
QUIET = {"n": "-35dB", "d": 0.4}
LONGEST_SECONDS = 36_000
ALL_QUIET, WHOLE = 0.99, 0.9
ENCODERS: dict[str, dict[str, Any]] = {
    ".flac": {"acodec": "flac"},
    ".ogg": {"acodec": "libopus", "audio_bitrate": "24k", "application": "voip"},
}
LANGUAGES = {"en": "eng", "de": "ger", "fr": "fre", "es": "spa", "it": "ita", "pt": "por", "nl": "dut",
                      "pl": "pol", "ru": "rus", "zh": "chi", "ja": "jpn", "ko": "kor", "ar": "ara", "hi": "hin",
                      "tr": "tur", "uk": "ukr", "cs": "cze", "sv": "swe", "fi": "fin", "da": "dan"}  # fmt: skip
"""Two letters as clients write them; three (ISO 639-2/B) as containers do."""
OTHER_NAMES = {"deu": "ger", "fra": "fre", "nld": "dut", "zho": "chi", "ces": "cze"}


async def extract(
    sandbox: Sandbox, path: Path, probe: MediaProbe, *, into: Path, language: str | None = None
) -> AudioTrack:
    """Write `audio.flac` into `into`. The track is chosen by `language`, else the default one, else the first.

    Stereo whose channels cancel each other is taken from the left one. Sound that ends before its declared duration
    gives a notice; raises MediaError media_truncated or media_damaged if there is none at all.
    """
    stream = choose(probe.audio, language)
    declared = stream.duration_seconds or probe.duration_seconds or 0.0
    longest = min(LONGEST_SECONDS, 2 * declared + 60)
    heard = await _hear(sandbox, _mono(path, probe, stream), into / FILENAME, longest)
    if heard.seconds == 0:
        there = await ffmpeg.measure(sandbox, path)
        code = "media_truncated" if there < WHOLE * declared else "media_damaged"
        raise MediaError("No sound can be decoded.", code=code)
    notices = _notices(probe, stream, declared, heard.seconds)
    if stream.channels == 2 and heard.is_quiet:
        one = into / f"left_{FILENAME}"
        left = await _hear(sandbox, _mono(path, probe, stream, "mono|c0=c0"), one, longest)
        if left.is_quiet:
            one.unlink()
        else:
            one.replace(into / FILENAME)
            heard, notices = left, [*notices, Notice("channels_cancel", WARNINGS["channels_cancel"])]
    return AudioTrack(FILENAME, heard.seconds, heard.silences, notices=tuple(notices))


async def cut(sandbox: Sandbox, audio: Path, span: Span, *, into: Path) -> Path:
    """Write the part `span` of an extracted sound into the file `into`: .flac, or .ogg (Opus, a sixth of its size).

    It is encoded anew, to the sample, and its header tells its own length.
    """
    source = ffmpeg.read(audio, ss=f"{span.start:.3f}", t=f"{span.end - span.start:.3f}")
    seconds = span.end - span.start
    output = ffmpeg.write(source["a:0"], into.name, **ENCODERS[into.suffix])
    await ffmpeg.run(sandbox, [output], into=into.parent, decoded_seconds=seconds)
    return into


def choose(streams: Sequence[AudioStream], language: str | None) -> AudioStream:
    """The first that has `language`, or is the default, or is the first."""
    wanted = _language(language)
    spoken = [stream for stream in streams if wanted is not None and _language(stream.language) == wanted]
    return max(spoken or streams, key=lambda stream: stream.default)


def _language(tag: str | None) -> str | None:
    name = (tag or "").lower().partition("-")[0]
    return LANGUAGES.get(name) or OTHER_NAMES.get(name) or name or None


def _mono(path: Path, probe: MediaProbe, stream: AudioStream, pan: str = "mono|c0=0.5*c0+0.5*c1") -> Any:
    """The track as a filter chain, its times from the start of the media. What is quiet is printed to stdout."""
    sound = ffmpeg.read(path)[str(stream.index)].filter("asetpts", expr=f"PTS-{probe.start_seconds}/TB")
    mono = sound.filter("pan", args=pan) if stream.channels == 2 else sound.filter("aformat", channel_layouts="mono")
    timed = mono.filter("aresample", RATE_HZ, **{"async": 1}, first_pts=0)
    return timed.filter("silencedetect", **QUIET).filter("ametadata", "print", file="pipe:1", direct=1)


async def _hear(sandbox: Sandbox, sound: Any, file: Path, longest: float) -> _Ear:
    ear = _Ear()
    output = ffmpeg.write(sound, file.name, t=longest, vn=None, ar=RATE_HZ, sample_fmt="s16", acodec="flac")
    await ffmpeg.run(
        sandbox, [output], into=file.parent, decoded_seconds=longest, options=("-copyts",), on_line=ear.hear
    )
    ear.seconds = _flac_seconds(file)
    return ear


def _flac_seconds(file: Path) -> float:
    """Exact, from the header that ffmpeg completes at the end (its `-progress` tells nothing under `-copyts`)."""
    if not file.exists():
        return 0.0
    with file.open("rb") as flac:
        rate_and_samples = int.from_bytes(flac.read(26)[18:])
    return (rate_and_samples & (1 << 36) - 1) / RATE_HZ


class _Ear:
    """Hears what is quiet; `seconds` long."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._starts: list[float] = []
        self._ends: list[float] = []

    def hear(self, line: str) -> None:
        key, _, value = line.partition("=")
        if key == "lavfi.silence_start":
            self._starts.append(max(0.0, float(value)))
        elif key == "lavfi.silence_end":
            self._ends.append(float(value))

    @property
    def silences(self) -> tuple[Span, ...]:
        """In order. The last one may have no end of its own."""
        pairs = zip(self._starts, [*self._ends, self.seconds], strict=False)
        return tuple(Span(round(start, 3), round(min(end, self.seconds), 3)) for start, end in pairs)

    @property
    def is_quiet(self) -> bool:
        return sum(span.end - span.start for span in self.silences) >= ALL_QUIET * self.seconds


def _notices(probe: MediaProbe, stream: AudioStream, declared: float, heard: float) -> list[Notice]:
    notices = []
    if heard < WHOLE * declared:
        detail = f"{heard:.1f} of {declared:.1f} s of sound are there."
        notices.append(Notice("media_truncated", f"{WARNINGS['media_truncated']} {detail}"))
    if len(probe.audio) > 1:
        chosen = f"Track {probe.audio.index(stream) + 1} of {len(probe.audio)} ({stream.language or 'no language'})."
        notices.append(Notice("several_audio_tracks", f"{WARNINGS['several_audio_tracks']} {chosen}"))
    return notices
