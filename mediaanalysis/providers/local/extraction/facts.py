"""Facts of the media, in words: what the probe measured."""

from __future__ import annotations

from typing import Any

from mediaanalysis.structs.media import MediaProbe


def clock(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def length(probe: MediaProbe) -> str | None:
    if probe.duration_seconds is None:
        return None
    seconds = f"{probe.duration_seconds:.1f} s"
    return seconds if probe.duration_seconds < 60 else f"{clock(probe.duration_seconds)} ({seconds})"


def size(size_bytes: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"


def resolution(probe: MediaProbe) -> str | None:
    return f"{probe.video.width}x{probe.video.height}" if probe.video else None


def sound(probe: MediaProbe) -> str:
    if not probe.audio:
        return "no sound"
    tracks = "1 audio track" if len(probe.audio) == 1 else f"{len(probe.audio)} audio tracks"
    return f"{tracks} ({', '.join(dict.fromkeys(track.codec for track in probe.audio))})"


def facts(probe: MediaProbe) -> dict[str, Any]:
    """What is known, by name; what is not known is left out."""
    known = {
        "media_type": probe.media_type.value,
        "format": probe.format,
        "mime_type": probe.mime_type,
        "size_bytes": probe.size_bytes,
        "duration_seconds": probe.duration_seconds,
        "resolution": resolution(probe),
        "frames_per_second": probe.video.frames_per_second if probe.video else None,
        "video_codec": probe.video.codec if probe.video and probe.duration_seconds else None,
        "audio_tracks": len(probe.audio) if probe.duration_seconds else None,
        "audio_codecs": [track.codec for track in probe.audio] or None,
        "pages": probe.pages,
        "pictures": probe.pictures,
    }
    return {name: value for name, value in known.items() if value is not None}


def sentence(probe: MediaProbe) -> str:
    """One sentence: `This is a video: mp4, 11.0 s, 768x432, 1 audio track (aac), 388.5 kB.`"""
    timed = probe.duration_seconds is not None
    pages = None if probe.pages is None else f"{probe.pages} page{'s' * (probe.pages != 1)}"
    pictures = f"{probe.pictures} pictures" if (probe.pictures or 0) > 1 else None
    parts = [probe.format, length(probe), resolution(probe), sound(probe) if timed and probe.video else None]
    said = [part for part in (*parts, pages, pictures, size(probe.size_bytes)) if part]
    article = "an" if probe.media_type[0] in "aeiou" else "a"
    return f"This is {article} {probe.media_type}: {', '.join(said)}."
