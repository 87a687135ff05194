"""Evenly spaced pictures of a medium.

Look first, then correct: all pictures are taken at keyframes in one process (a quarter of a second for six of a ten
minute film). Those that landed too far from where they should are taken again exactly, by seeks or, where that would
decode more than the whole, in one pass. No index is read: each picture tells its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mediaanalysis.errors import WARNINGS, MediaError
from mediaanalysis.media import ffmpeg, pictures
from mediaanalysis.media.shots import HDR, LONGEST_SIDE, Camera, Shot
from mediaanalysis.sandbox import Reach, Sandbox
from mediaanalysis.structs.media import Frame, Identity, MediaProbe, Notice
from mediaanalysis.structs.requests import MediaType

NEAR = 0.25
"""A keyframe is good enough within this part of the distance between two frames."""
WHOLE = 0.9
"""Less than this part of the declared duration makes a medium truncated."""
LOOSE_FORMATS = frozenset({"ts", "mpg"})
"""Streams without an index: a seek lands somewhere, and decodes nothing before the next keyframe."""

Extracted = tuple[tuple[Frame, ...], tuple[Notice, ...]]


async def extract(
    sandbox: Sandbox, path: Path, probe: MediaProbe, identity: Identity, *, count: int, into: Path
) -> Extracted:
    """Write at most `count` different pictures `frame_001.jpg` … into `into`, in the order of their true times.

    Raises MediaError media_truncated or media_damaged if there is not one.
    """
    if identity.media_type is MediaType.IMAGE:
        return await _from_image(sandbox, path, probe, count, into)
    assert probe.video is not None
    hdr = probe.video.color_transfer in HDR and (await ffmpeg.inspect(sandbox)).maps_tones
    camera = Camera(
        sandbox, path, probe.video, into, probe.start_seconds,
        maps_tones=hdr, seeks_loosely=probe.format in LOOSE_FORMATS,
    )  # fmt: skip
    return await _from_video(camera, probe.duration_seconds or 0.0, count)


async def _from_image(sandbox: Sandbox, path: Path, probe: MediaProbe, count: int, into: Path) -> Extracted:
    said = await pictures.ask(
        sandbox, "frames", reach=Reach(reads=(path,), writes=(into,)), path=path, into=into, count=count,
        max_pixels=ffmpeg.MAX_PIXELS, max_side=LONGEST_SIDE,
    )  # fmt: skip
    frames = tuple(Frame(name, at, width, height) for name, width, height, at in said["frames"])
    return frames, (_notice("media_truncated"),) if said["cut"] else ()


async def _from_video(camera: Camera, duration: float, count: int) -> Extracted:
    notices: list[Notice] = []
    moments = spread(duration, count)
    shots = await _take(camera, moments, duration)
    if len(shots) < count:
        there = await ffmpeg.measure(camera.sandbox, camera.path)
        if there < WHOLE * duration:
            notices.append(_notice("media_truncated", f"{there:.1f} of {duration:.1f} s are there."))
            moments, duration = spread(there, count), there
            shots = await _take(camera, moments, duration)
    if not shots:
        code = "media_truncated" if notices else "media_damaged"
        raise MediaError("No picture can be decoded.", code=code)
    if _has_gap(shots, moments, duration / count):
        notices.append(_notice("timestamps_broken"))
    return _name(camera, shots, count), tuple(notices)


def spread(duration: float, count: int) -> list[float]:
    """The middles of `count` equal parts; fewer where they would fall on the same millisecond."""
    return list(dict.fromkeys(round(duration * (n + 0.5) / count, 3) for n in range(count))) if duration > 0 else [0.0]


async def _take(camera: Camera, moments: Sequence[float], duration: float) -> list[Shot]:
    """For each moment the picture nearest to it, each picture once, in the order of time."""
    near = NEAR * duration / len(moments)
    keys = await camera.at_keyframes(moments)
    late = [at for at in moments if at not in keys or abs(keys[at].at_seconds - at) > near]
    taken = [*keys.values(), *await _exactly(camera, late, keys)]
    nearest = (min(taken, key=lambda shot: abs(shot.at_seconds - at)) for at in moments if taken)
    return _different(nearest)


async def _exactly(camera: Camera, late: Sequence[float], keys: dict[float, Shot]) -> list[Shot]:
    if not late:
        return []
    decoded = sum(at - min(at, keys[at].at_seconds if at in keys else 0.0) for at in late)
    if decoded > late[-1] or camera.seeks_loosely:
        return await camera.in_one_pass(late)
    return list((await camera.at_moments(late, decoded)).values())


def _different(shots: Iterable[Shot]) -> list[Shot]:
    by_time = {shot.at_seconds: shot for shot in shots}
    return [by_time[at] for at in sorted(by_time)]


def _has_gap(shots: Sequence[Shot], moments: Sequence[float], step: float) -> bool:
    """Whether some moment has no picture within a step of it."""
    return any(min(abs(shot.at_seconds - at) for shot in shots) > max(step, 1.0) for at in moments)


def _name(camera: Camera, shots: Sequence[Shot], count: int) -> tuple[Frame, ...]:
    """Give the pictures their names in the order of time, and remove those that were taken in vain."""
    width, height = camera.size
    frames: list[Frame] = []
    for number, shot in enumerate(shots[:count], 1):
        frame = Frame(f"frame_{number:03}.jpg", round(shot.at_seconds, 3), width, height)
        (camera.into / shot.filename).rename(camera.into / frame.filename)
        frames.append(frame)
    for prefix in ("key", "seek", "pass"):
        for path in camera.into.glob(f"{prefix}_*.jpg"):
            path.unlink()
    return tuple(frames)


def _notice(code: str, detail: str = "") -> Notice:
    return Notice(code, f"{WARNINGS[code]} {detail}".rstrip())
