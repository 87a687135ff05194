"""What a medium holds, as it is shown: upright, with square pixels; cover art is no video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from mediaanalysis.errors import WARNINGS, MediaError
from mediaanalysis.media import ffmpeg, pictures
from mediaanalysis.media.limits import MediaLimits
from mediaanalysis.sandbox import Reach, Sandbox
from mediaanalysis.structs.media import AudioStream, Identity, MediaProbe, Notice, VideoStream
from mediaanalysis.structs.requests import MediaType

ENCRYPTED_TAGS = frozenset({"drms", "drmi"})
UNKNOWN_LANGUAGES = frozenset({"und", "", "unk", "mis"})
AUDIO_MIME_TYPES = {"video/x-ms-asf": "audio/x-ms-wma", "video/3gpp": "audio/3gpp", "video/mp2t": "audio/mp2t"}


async def probe(sandbox: Sandbox, path: Path, identity: Identity, limits: MediaLimits) -> MediaProbe:
    """What `path` (video, audio or image) holds. Whether it is video or audio is decided by its streams.

    Raises MediaError media_damaged, _truncated, _unsupported, _encrypted, _too_long, _too_large.
    """
    if identity.media_type is MediaType.IMAGE:
        return await _probe_image(sandbox, path, identity, limits)
    said = await ffmpeg.describe(sandbox, path)
    streams: list[dict[str, Any]] = said.get("streams", [])
    video = next((_video(stream) for stream in streams if _is_video(stream)), None)
    audio = tuple(_audio(stream) for stream in streams if _is_audio(stream))
    _require_open(said)
    _require_usable(video, audio, limits)
    duration, notices = await _duration(sandbox, path, said)
    _require_short(duration, limits)
    return MediaProbe(
        media_type=MediaType.VIDEO if video else MediaType.AUDIO,
        mime_type=identity.mime_type if video else _audio_mime_type(identity),
        format=identity.extension,
        size_bytes=path.stat().st_size,  # noqa: ASYNC240 - a local file
        duration_seconds=duration,
        start_seconds=_number(said["format"].get("start_time")) or 0.0,
        video=video,
        audio=audio,
        notices=notices,
    )


async def _probe_image(sandbox: Sandbox, path: Path, identity: Identity, limits: MediaLimits) -> MediaProbe:
    reach, most = Reach(reads=(path,)), min(limits.max_pixels, ffmpeg.MAX_PIXELS)
    said = await pictures.ask(sandbox, "probe", reach=reach, path=path, max_pixels=most)
    count, looked = said["pictures"], said["looked"]
    text = f"{WARNINGS['animation_limited']} {looked} of {count} are."
    return MediaProbe(
        media_type=MediaType.IMAGE,
        mime_type=identity.mime_type,
        format=identity.extension,
        size_bytes=path.stat().st_size,  # noqa: ASYNC240 - a local file
        video=VideoStream(0, said["format"].lower(), said["width"], said["height"], pixel_format=said["mode"].lower()),
        pictures=count,
        notices=(Notice("animation_limited", text),) if looked < count else (),
    )


async def _duration(sandbox: Sandbox, path: Path, said: dict[str, Any]) -> tuple[float, tuple[Notice, ...]]:
    """Declared by the container, or else measured."""
    declared = _number(said["format"].get("duration"))
    if declared is not None and declared > 0:
        return declared, ()
    return await ffmpeg.measure(sandbox, path), (Notice("duration_unknown", WARNINGS["duration_unknown"]),)


def _require_open(said: dict[str, Any]) -> None:
    """Refuse what is encrypted: Apple's by its codecs, Common Encryption by its packets."""
    tags = {stream.get("codec_tag_string") for stream in said.get("streams", ())}
    marks = [side for packet in said.get("packets", ()) for side in packet.get("side_data_list", ())]
    if tags & ENCRYPTED_TAGS or any(mark.get("side_data_type", "").startswith("Encryption") for mark in marks):
        raise MediaError("The media is encrypted (DRM): send it without protection.", code="media_encrypted")


def _require_usable(video: VideoStream | None, audio: tuple[AudioStream, ...], limits: MediaLimits) -> None:
    if video is None and not audio:
        raise MediaError("The file holds neither picture nor sound that can be decoded.")
    if video is not None and video.width * video.height > limits.max_pixels:
        size = f"{video.width} x {video.height} pixels; at most {limits.max_pixels:,} are read."
        raise MediaError(f"The picture has {size}", code="media_too_large")


def _require_short(duration: float, limits: MediaLimits) -> None:
    if duration > limits.max_seconds:
        raise MediaError(
            f"The media lasts {duration:,.0f} s; at most {limits.max_seconds:,.0f} s are analysed: send a part of it.",
            code="media_too_long",
        )


def _is_video(stream: dict[str, Any]) -> bool:
    attached = stream.get("disposition", {}).get("attached_pic") or stream.get("disposition", {}).get(
        "timed_thumbnails"
    )
    return stream.get("codec_type") == "video" and not attached and bool(stream.get("width"))


def _is_audio(stream: dict[str, Any]) -> bool:
    return stream.get("codec_type") == "audio" and bool(stream.get("channels")) and "codec_name" in stream


def _video(stream: dict[str, Any]) -> VideoStream:
    turn = next((side["rotation"] for side in stream.get("side_data_list", ()) if "rotation" in side), 0)
    width = max(1, round(stream["width"] * (_ratio(stream.get("sample_aspect_ratio")) or 1)))
    height = stream["height"]
    rotation = round(-float(turn)) % 360
    upright = (height, width) if rotation in (90, 270) else (width, height)
    return VideoStream(
        index=stream["index"],
        codec=stream.get("codec_name", "unknown"),
        width=upright[0],
        height=upright[1],
        frames_per_second=_ratio(stream.get("avg_frame_rate")),
        rotation_degrees=rotation,
        pixel_format=stream.get("pix_fmt"),
        color_transfer=stream.get("color_transfer"),
    )


def _audio(stream: dict[str, Any]) -> AudioStream:
    language = stream.get("tags", {}).get("language", "").lower()
    return AudioStream(
        index=stream["index"],
        codec=stream["codec_name"],
        channels=stream["channels"],
        sample_rate_hz=int(stream.get("sample_rate", 0)),
        language=None if language in UNKNOWN_LANGUAGES else language,
        default=bool(stream.get("disposition", {}).get("default")),
        duration_seconds=_number(stream.get("duration")),
    )


def _audio_mime_type(identity: Identity) -> str:
    mime_type = identity.mime_type
    return AUDIO_MIME_TYPES.get(mime_type) or mime_type.replace("video/", "audio/")


def _ratio(text: str | None) -> float | None:
    """`25/1` or `4:3`; None for the unknown (`0/0`, `0:1`) and the absurd."""
    try:
        value = float(Fraction((text or "").replace(":", "/")))
    except (ValueError, ZeroDivisionError):
        return None
    return value if 1 / 1000 < value < 1000 else None


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
